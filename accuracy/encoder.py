"""The sentence encoder on PyTorch: its linear layers, and embeddings of texts."""

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor, nn
from transformers import BertConfig, BertModel, PreTrainedTokenizerFast
from transformers.utils import logging as transformers_logging

__all__ = ["Encoder"]

# Beyond this many tokens the release cuts texts off (its sentence_bert_config.json).
MAX_TOKENS = 256
BATCH = 64


class Encoder:
    """A BERT encoder with its tokenizer, read from files only.

    Parameters
    ----------
    folder : Path
        Model folder in Hugging Face layout, with ``model.safetensors``.
    """

    def __init__(self, folder: Path) -> None:
        transformers_logging.disable_progress_bar()  # callers have their own
        config = BertConfig.from_json_file(str(folder / "config.json"))
        model = BertModel.from_pretrained(
            folder, config=config, use_safetensors=True, local_files_only=True
        )
        self.model = model.float().eval()
        self.tokenizer = PreTrainedTokenizerFast(
            tokenizer_file=str(folder / "tokenizer.json"),
            pad_token="[PAD]",  # noqa: S106
        )

    def linear_layers(self) -> dict[str, nn.Linear]:
        """Every linear layer that embeddings depend on, by name: all but the pooler's."""
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
