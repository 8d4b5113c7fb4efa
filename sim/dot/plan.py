"""Holds the plan of one simulation of a dot-product unit: inputs and expected outputs.

This module avoids PyTorch, so that the simulator starts in a fraction of a second.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from halfbyte.sim.ports import PortMap

__all__ = ["DOT_SCENARIOS", "DotPlan"]

DOT_SCENARIOS = (
    *("lanes", "extremes", "random", "scales", "cancelling", "ends", "ties", "residues", "sizes"),
)


@dataclass(frozen=True)
class DotPlan:
    """Inputs and expected outputs of one scenario, one row for each clock cycle.

    Parameters
    ----------
    title : str
        Names of the unit and the scenario, for messages.
    lanes : int
        Products per cycle.
    ports : PortMap
        Ports of the module under test.
    stimulus, expected : array
        (T, bytes) uint8: the inputs of each cycle, and the outputs after it. A row is one number,
        with its least significant byte first.
    """

    title: str
    lanes: int
    ports: PortMap
    stimulus: NDArray[np.uint8]
    expected: NDArray[np.uint8]

    @property
    def products(self) -> int:
        """Number of products that are compared when the scenario runs to its end."""
        return len(self.stimulus) * self.lanes

    def rows(self) -> list[tuple[int, int]]:
        """The inputs and the expected outputs of each cycle, as two numbers."""
        return [
            (int.from_bytes(one, "little"), int.from_bytes(other, "little"))
            for one, other in zip(map(bytes, self.stimulus), map(bytes, self.expected), strict=True)
        ]

    def save(self, folder: Path, scenario: str) -> None:
        """Write the plan for ``scenario`` into ``folder``."""
        (folder / "ports.json").write_text(self.ports.to_json())
        (folder / f"{scenario}.title").write_text(f"{self.lanes}\n{self.title}")
        np.save(folder / f"{scenario}.stimulus.npy", self.stimulus)
        np.save(folder / f"{scenario}.expected.npy", self.expected)

    @classmethod
    def load(cls, folder: Path, scenario: str) -> "DotPlan":
        """The plan that :meth:`save` wrote."""
        lanes, _, title = (folder / f"{scenario}.title").read_text().partition("\n")
        ports = PortMap.from_json((folder / "ports.json").read_text())
        words = (np.load(folder / f"{scenario}.{kind}.npy") for kind in ("stimulus", "expected"))
        return cls(title, int(lanes), ports, *words)
