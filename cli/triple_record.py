"""The record of ``halfbyte triple --unit dot``."""

from collections.abc import Mapping
from dataclasses import dataclass

from halfbyte.gpu_ref.records import MachineRecord
from halfbyte.rtl.dot.record import DotFields

__all__ = ["DotTripleRecord"]


@dataclass(frozen=True, kw_only=True)
class DotTripleRecord(MachineRecord, DotFields):
    """Comparison of RTL, golden model and CUDA kernel of a dot-product unit on the same inputs."""

    seed: int
    """Seed of the random stimulus."""
    scenarios: Mapping[str, int]
    """For each scenario: number of products on which the RTL was compared."""
    cycles: int
    """Cycles of all scenarios together."""
    compared: int
    """Number of values that were compared with the kernel's: the accumulator after each cycle, and
    for an exact accumulator also its NaN flag."""
    different: int
    """Number of values that differ."""
    simulator: Mapping[str, str | None]
    """The simulator, and versions of the tools."""
