"""What a part of a record is, and the order of the parts."""

import enum
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch

from halfbyte.base import JsonObject

__all__ = ["Part", "Results", "Value"]

Results = Iterator[JsonObject]


class Value(enum.IntEnum):
    """Importance of a part. The most important ones run first, in case a run is interrupted."""

    MACHINE = 0
    """The build for the device, without which nothing runs."""

    CORRECTNESS = 1
    """Bits against the golden model."""

    SAFETY = 2
    """compute-sanitizer."""

    SPEED = 3
    """Time beside PyTorch's own kernels."""

    CHOICE = 4
    """Alternatives from which a later version may choose."""


@dataclass(frozen=True)
class Part:
    """One part of a record.

    Parameters
    ----------
    name : str
        Name on the command line and in the record. Names of comparisons begin with ``check``.
    title : str
        Title for readers.
    value : Value
        Place in the order. Parts of one value run in the order in which they are found.
    seconds : float
        Time limit; results from before it are kept.
    results : function
        Takes a device; yields JSON-like results one by one.
    """

    name: str
    title: str
    value: Value
    seconds: float
    results: Callable[[torch.device], Results]
