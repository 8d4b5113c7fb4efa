"""Counts a kernel's numbers that differ from the golden model's, and keeps the first difference.

The golden model is :mod:`halfbyte.golden`.
"""

from collections.abc import Iterable
from dataclasses import asdict, dataclass, field

import torch
from torch import Tensor

from halfbyte.gpu_ref.records import ComparisonRecord

__all__ = ["Comparison", "merged"]


@dataclass
class Comparison:
    """How many results of one kernel differ from the golden model's, for one pair of formats.

    Parameters
    ----------
    kernel : str
        Name of the kernel. ``emulated`` in the name means that the CPU ran the GPU's threads one
        after another.
    format, activation : str
        Formats of the weights and of the activations.
    compared, different : int
        Numbers that were compared with the golden model, and those whose bits differ.
    first : str
        What differs first, with both numbers, or with both types and shapes; empty if nothing
        differs.
    """

    kernel: str
    format: str
    activation: str
    compared: int = 0
    different: int = 0
    first: str = field(default="")

    def add(self, seen: Tensor, expected: Tensor, what: str) -> None:
        """Compare two tensors, FP32 numbers bit by bit, and add to the counts.

        A wrong type or shape counts as one difference. ``what`` describes the case.
        """
        seen, expected = seen.cpu().contiguous(), expected.cpu().contiguous()
        if seen.shape != expected.shape or seen.dtype != expected.dtype:
            self.compared, self.different = self.compared + 1, self.different + 1
            self.first = self.first or (
                f"{what}: {seen.dtype} of shape {tuple(seen.shape)} instead of {expected.dtype} of "
                f"shape {tuple(expected.shape)}"
            )
            return
        if seen.dtype == torch.float32:
            wrong = seen.view(torch.int32) != expected.view(torch.int32)
        else:
            wrong = seen != expected
        self.compared += seen.numel()
        count = int(wrong.sum())
        if count and not self.first:
            at = tuple(wrong.nonzero()[0].tolist())
            self.first = f"{what} at {at}: {seen[at].item()} instead of {expected[at].item()}"
        self.different += count

    def record(self) -> ComparisonRecord:
        """The counts, for JSON."""
        return ComparisonRecord(**asdict(self))


def merged(comparisons: Iterable[Comparison]) -> list[Comparison]:
    """One comparison per kernel, over all formats, in order of appearance."""
    totals: dict[str, Comparison] = {}
    for each in comparisons:
        total = totals.setdefault(each.kernel, Comparison(each.kernel, "all", "all"))
        total.compared += each.compared
        total.different += each.different
        if each.first and not total.first:
            total.first = f"{each.format} x {each.activation}, {each.first}"
    return list(totals.values())
