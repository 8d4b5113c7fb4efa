"""Causal language models: measure how well they predict the next token of a text."""

import math

import torch
from torch import Tensor, nn

from halfbyte.accuracy.models.subject import Measure, Outputs, Subject
from halfbyte.accuracy.statistics import RatioOfSums, Statistic
from halfbyte.base import UserError
from halfbyte.checkpoints.memory import check_memory

__all__ = ["CALIBRATION_WINDOWS", "CausalSubject", "sliding_windows"]

BATCH_TOKENS = 4096  # the most tokens in a batch, unless a single window has more
# The most logits in a batch (256 MiB in FP32), unless a single window has more.
BATCH_LOGITS = 1 << 26
# The most logits that are converted to FP32 and scored at once, unless one position of all windows
# in a batch has more.
PIECE_LOGITS = 1 << 24
CALIBRATION_WINDOWS = 32  # the most windows of calibration text that are used

BYTE_MEASURES = (
    Measure("bits_per_byte", "bits per byte", "bit", False),
    Measure("next_byte_accuracy", "next byte right", "share", True),
)
TOKEN_MEASURES = (
    Measure("perplexity", "perplexity per token", "1", False),
    Measure("next_token_accuracy", "next token right", "share", True),
)


def sliding_windows(tokens: Tensor, context: int, stride: int) -> tuple[Tensor, Tensor]:
    """Windows of ``context + 1`` tokens, and the index of the first scored target in each.

    The targets of a window are its tokens after the first: the model predicts each from those
    before it. tokens: (T,) int64. Returns (N, context + 1) and (N,) int64. Every token of the text
    but the first is scored once, in the first window that has it as a target. The last window ends
    with the text. A text that is shorter than a window is one window.

    Raises UserError for a text of fewer than two tokens, ValueError unless the stride is 1 to
    ``context``.
    """
    if not 1 <= stride <= context:
        raise ValueError(f"Stride must be 1 to {context}, not {stride}")
    if len(tokens) < 2:
        raise UserError(f"A text to evaluate on needs at least two tokens, not {len(tokens)}")
    length = min(context + 1, len(tokens))
    last = len(tokens) - length
    starts = torch.tensor([*range(0, last, stride), last])
    ends = starts + length
    scored_before = torch.cat([starts[:1] + 1, ends[:-1]])
    return tokens[starts[:, None] + torch.arange(length)], scored_before - starts - 1


class CausalSubject(Subject):
    """A causal language model, evaluated on windows of a text. Its output head is not quantized.

    Parameters
    ----------
    name : str
        The name in records.
    module : nn.Module
        A causal language model of transformers.
    windows, first_scored : Tensor
        The two results of :func:`sliding_windows`.
    calibration : Tensor
        (N, length) int64: windows of another text, of which the first 32 are used.
    bytes_as_tokens : bool
        Whether each token is a byte. If so, bits per byte are measured, otherwise perplexity.
    """

    def __init__(
        self,
        name: str,
        module: nn.Module,
        windows: Tensor,
        first_scored: Tensor,
        calibration: Tensor,
        *,
        bytes_as_tokens: bool = False,
    ) -> None:
        super().__init__(name, module)
        self.windows, self.first_scored = windows, first_scored
        self.calibration = calibration[:CALIBRATION_WINDOWS]
        self.measures = BYTE_MEASURES if bytes_as_tokens else TOKEN_MEASURES
        unit = "bytes" if bytes_as_tokens else "tokens"
        self.items = f"windows of {windows.shape[1] - 1} {unit}"

    def statistics(self, outputs: Outputs, reference: Outputs) -> dict[str, Statistic]:
        """Bits per byte or perplexity, and the share of tokens that are predicted correctly.

        ``reference`` is not used.
        """
        loss, accuracy = self.measures
        bits, hits, counts = (outputs[key] for key in ("bits", "hits", "counts"))
        return {
            loss.name: RatioOfSums(bits, counts, power_of_two=loss.name == "perplexity"),
            accuracy.name: RatioOfSums(hits, counts),
        }

    def _batches(self, windows: Tensor) -> tuple[Tensor, ...]:
        """The windows, split into batches with a limited number of tokens and logits in each.

        Every batch has at least one window.
        """
        tokens = min(BATCH_TOKENS, BATCH_LOGITS // self._vocabulary)
        batches: tuple[Tensor, ...] = torch.split(windows, max(1, tokens // windows.shape[1]))
        return batches

    @property
    def _vocabulary(self) -> int:
        """The number of logits per token; 1 if the configuration does not give it."""
        config = getattr(self.module, "config", None)
        return max(1, int(getattr(config, "vocab_size", None) or 1))

    def _run_calibration(self) -> None:
        for batch in self._batches(self.calibration):
            self.module(input_ids=batch)

    def _run_evaluation(self) -> Outputs:
        batches = self._batches(self.windows)
        logits = 4 * self._vocabulary * batches[0].numel()  # bytes, in FP32
        length = self.windows.shape[1]
        check_memory(2 * logits, f"Running {self.name} on windows of {length} tokens")
        firsts = torch.split(self.first_scored, len(batches[0]))
        parts = [self._score(batch, first) for batch, first in zip(batches, firsts, strict=True)]
        bits, hits, counts = (torch.cat(each) for each in zip(*parts, strict=True))
        return {"bits": bits, "hits": hits, "counts": counts}

    def _score(self, windows: Tensor, first: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The cross-entropy in bits, the correct predictions, and the number of scored targets.

        Each is (batch,) float64: a sum over the scored targets of each window.
        """
        logits = self.module(input_ids=windows[:, :-1]).logits
        targets = windows[:, 1:]
        scored = torch.arange(targets.shape[1]) >= first[:, None]
        losses, hits = torch.empty(targets.shape), torch.empty(targets.shape, dtype=torch.bool)
        step = max(1, PIECE_LOGITS // (len(windows) * logits.shape[-1]))
        for begin in range(0, targets.shape[1], step):
            piece = slice(begin, begin + step)
            some, wanted = logits[:, piece].float(), targets[:, piece]
            losses[:, piece] = nn.functional.cross_entropy(
                some.transpose(1, 2), wanted, reduction="none"
            )
            hits[:, piece] = some.argmax(-1) == wanted
        bits = (losses.double() * scored).sum(1) / math.log(2)
        return bits, (hits & scored).sum(1).double(), scored.sum(1).double()
