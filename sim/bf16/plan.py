"""Holds the plan of one simulation of the BF16 MAC: operands and expected results.

This module avoids PyTorch, so that the simulator starts in a fraction of a second.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from halfbyte.sim.ports import PortMap

__all__ = ["SCENARIOS", "Bf16Plan"]

SCENARIOS = ("special", "random", "cancelling", "ties", "sums")


@dataclass(frozen=True)
class Bf16Plan:
    """Operands and expected accumulators of one scenario, one row for each clock cycle.

    Parameters
    ----------
    seed : int
        Seed of the random operands.
    ports : PortMap
        Ports of the module under test.
    rows : array
        (T, 4) uint32: w, a, clear, and the expected acc after the cycle.
    """

    seed: int
    ports: PortMap
    rows: NDArray[np.uint32]

    @property
    def products(self) -> int:
        """Number of sums that are compared when the scenario runs to its end."""
        return len(self.rows)

    def save(self, folder: Path, scenario: str) -> None:
        """Write the plan for ``scenario`` into ``folder``."""
        (folder / "ports.json").write_text(self.ports.to_json())
        (folder / "seed").write_text(str(self.seed))
        np.save(folder / f"{scenario}.rows.npy", self.rows)

    @classmethod
    def load(cls, folder: Path, scenario: str) -> "Bf16Plan":
        """The plan that :meth:`save` wrote."""
        ports = PortMap.from_json((folder / "ports.json").read_text())
        rows = np.load(folder / f"{scenario}.rows.npy")
        return cls(int((folder / "seed").read_text()), ports, rows)
