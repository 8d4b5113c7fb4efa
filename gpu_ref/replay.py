"""Feeds recorded inputs of a MAC to the kernel; compares its accumulators with recorded ones."""

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from halfbyte.gpu_ref.mac import mac_stream

__all__ = ["Accumulator", "Columns", "count_differences"]


class Columns(NamedTuple):
    """One value per clock cycle for each input of a MAC: four arrays of one length T."""

    w: NDArray[np.uint32]
    a: NDArray[np.uint32]
    clear: NDArray[np.bool_]
    enable: NDArray[np.bool_]


class Accumulator(NamedTuple):
    """A MAC and its accumulator after each cycle (``held``).

    ``arithmetic`` are the keyword arguments of :func:`mac_stream`. ``has_enable`` says whether the
    MAC has the input ``enable``.
    """

    arithmetic: Mapping[str, Any]
    has_enable: bool
    held: NDArray[np.int64]


def count_differences(
    columns: Columns, accumulators: Iterable[Accumulator], device: torch.device
) -> int:
    """Count the values, over all accumulators and cycles, that the kernel computes differently."""
    w, a = (torch.from_numpy(codes.astype(np.uint8)).to(device) for codes in columns[:2])
    clear, enable = (torch.from_numpy(flags).to(device) for flags in columns[2:])
    different = 0
    for each in accumulators:
        acc = mac_stream(w, a, clear, enable=enable if each.has_enable else None, **each.arithmetic)
        different += int((acc.cpu() != torch.from_numpy(each.held)).sum())
    return different
