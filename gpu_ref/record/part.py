"""Defines a part of ``make gpu-record``: one check or one benchmark of the kernels."""

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
    """Comparisons with the golden model, bit by bit."""

    SAFETY = 2
    """Runs under compute-sanitizer."""

    SPEED = 3
    """Timings of the kernels and, for comparison, of PyTorch's own."""

    CHOICE = 4
    """Alternative kernels, from which a later version may choose."""


@dataclass(frozen=True)
class Part:
    """One part of a record.

    Parameters
    ----------
    name : str
        Name on the command line and in the record. It begins with ``check`` if the results are
        comparisons.
    title : str
        Title in the record.
    value : Value
        Importance, which decides when the part runs. Equally important parts run in the order in
        which :mod:`.parts` finds them.
    seconds : float
        Time limit in seconds; results that come before its end are kept.
    results : function
        Takes a device; yields results one by one, each a dictionary for JSON.
    """

    name: str
    title: str
    value: Value
    seconds: float
    results: Callable[[torch.device], Results]
