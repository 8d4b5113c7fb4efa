"""The record of ``halfbyte triple --unit dot``."""

from collections.abc import Mapping
from dataclasses import dataclass

from halfbyte.gpu_ref.records import MachineRecord
from halfbyte.rtl.dot.record import DotFields

__all__ = ["DotTripleRecord"]


@dataclass(frozen=True, kw_only=True)
class DotTripleRecord(MachineRecord, DotFields):
    """RTL, golden model and CUDA reference of a dot-product unit on one stream."""

    seed: int
    """Seed of the random stimulus."""
    scenarios: Mapping[str, int]
    """By scenario: products that the RTL was compared on."""
    cycles: int
    """Cycles of all scenarios."""
    compared: int
    """Accumulators that were compared with those of the kernel; for exact ones, also their NaN."""
    different: int
    """Accumulators that differ."""
    simulator: Mapping[str, str | None]
    """The simulator, and versions of the tools."""
