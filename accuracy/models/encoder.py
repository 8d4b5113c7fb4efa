"""Sentence encoders: measure whether embeddings keep their similarities and neighbours."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from halfbyte.accuracy.models.subject import Measure, Outputs, Subject
from halfbyte.accuracy.statistics import PairCorrelation, RatioOfSums, Statistic
from halfbyte.accuracy.texts import docstrings, longer_docstrings
from halfbyte.checkpoints.architecture import not_read

__all__ = ["EncoderSubject"]

# The MiniLM release truncates texts to this many tokens (its sentence_bert_config.json).
MAX_TOKENS = 256
BATCH = 64


class EncoderSubject(Subject):
    """An encoder whose embedding of a text is the mean over its last hidden states.

    Fidelity is the correlation of all pairwise cosine similarities with those of the unquantized
    model. Agreement is the share of texts whose nearest neighbour stays the same.

    Parameters
    ----------
    name : str
        The name in records.
    module : PreTrainedModel
        An encoder of transformers.
    tokenizer : PreTrainedTokenizerBase
        Its tokenizer, with a padding token.
    longest : int
        Number of tokens to which a longer text is truncated.
    """

    measures = (
        Measure("fidelity", "fidelity of sentence embeddings", "correlation", True),
        Measure("neighbour_agreement", "nearest neighbours kept", "share", True),
    )
    items = "texts"

    def __init__(
        self,
        name: str,
        module: PreTrainedModel,
        tokenizer: PreTrainedTokenizerBase,
        longest: int = MAX_TOKENS,
    ) -> None:
        super().__init__(name, module, not_read(module))  # without a pooler: its output is not used
        self.tokenizer, self.longest = tokenizer, longest

    @torch.inference_mode()
    def embed(self, texts: Sequence[str]) -> Tensor:
        """The embeddings of texts, of unit length; (len(texts), D) float32."""
        # Texts of similar length share a batch, so there is less padding.
        order = sorted(range(len(texts)), key=lambda index: len(texts[index]))
        embeddings: list[Tensor] = [torch.empty(0)] * len(texts)
        for start in range(0, len(order), BATCH):
            chosen = order[start : start + BATCH]
            tokens = self._tokens([texts[index] for index in chosen])
            hidden = self.module(**tokens).last_hidden_state  # (batch, tokens, D)
            mask = tokens["attention_mask"].unsqueeze(-1).float()
            mean = (hidden * mask).sum(1) / mask.sum(1)
            for index, row in zip(chosen, nn.functional.normalize(mean, dim=1), strict=True):
                embeddings[index] = row
        return torch.stack(embeddings)

    def statistics(self, outputs: Outputs, reference: Outputs) -> dict[str, Statistic]:
        """Fidelity and neighbour agreement, compared with the embeddings in ``reference``."""
        ours, theirs = outputs["embeddings"], reference["embeddings"]
        kept = (_neighbours(ours) == _neighbours(theirs)).double()
        return {
            "fidelity": PairCorrelation(ours, theirs),
            "neighbour_agreement": RatioOfSums(kept, torch.ones_like(kept)),
        }

    def _tokens(self, texts: Sequence[str]) -> Any:
        """A batch of texts as tokens, each truncated to at most ``longest`` tokens."""
        return self.tokenizer(
            list(texts),
            padding=True,
            truncation=True,
            max_length=self.longest,
            return_tensors="pt",
        )

    def _run_calibration(self) -> None:
        # Only texts of equal length share a batch, so that the layers get no padding as inputs.
        for texts in self._of_equal_length(longer_docstrings()):
            self.module(**self._tokens(texts))

    def _of_equal_length(self, texts: Sequence[str]) -> list[list[str]]:
        """Batches of at most :data:`BATCH` texts with equal numbers of tokens."""
        by_length: dict[int, list[str]] = {}
        for text in texts:
            length = self._tokens([text])["input_ids"].shape[1]
            by_length.setdefault(length, []).append(text)
        return [
            group[start : start + BATCH]
            for _, group in sorted(by_length.items())
            for start in range(0, len(group), BATCH)
        ]

    def _run_evaluation(self) -> Outputs:
        return {"embeddings": self.embed(docstrings())}


def _neighbours(embeddings: Tensor) -> Tensor:
    """Index of each row's nearest other row; (N,) int64."""
    rows = embeddings.double()
    return (rows @ rows.T).fill_diagonal_(-torch.inf).argmax(1)
