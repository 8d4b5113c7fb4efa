"""Holds the plan of one simulation of an array: inputs and expected results.

This module avoids PyTorch, so that the simulator starts in a fraction of a second.
"""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from halfbyte.sim.ports import PortMap

__all__ = ["ArrayPlan"]


@dataclass(frozen=True)
class ArrayPlan:
    """The array's inputs in every cycle, and the expected results of every column.

    Parameters
    ----------
    title : str
        The array, for messages.
    ports : PortMap
        Ports of the module under test.
    warm_up : int
        Number of cycles at the start that flush the unknown contents of the registers. ``valid`` is
        ignored in these cycles and in the next one.
    columns, result_bits : int
        Number of the array's columns, and bits of a result.
    stimulus : array
        (T, bytes) uint8: the array's inputs, one row per cycle.
    expected : array
        (results, columns) int64: the bits of each column's results, in the order in which they
        leave; -1 for results that are not compared, since they only fill up a tile. A tile is a
        part of a matrix product that the array computes at one time.
    """

    title: str
    ports: PortMap
    warm_up: int
    columns: int
    result_bits: int
    stimulus: NDArray[np.uint8]
    expected: NDArray[np.int64]

    @property
    def products(self) -> int:
        """Number of results that are compared when the simulation runs to its end."""
        return int((self.expected >= 0).sum())

    def save(self, folder: Path, scenario: str) -> None:
        """Write the plan for ``scenario`` into ``folder``."""
        sizes = [self.title, self.warm_up, self.columns, self.result_bits]
        (folder / f"{scenario}.plan.json").write_text(json.dumps(sizes))
        (folder / "ports.json").write_text(self.ports.to_json())
        np.save(folder / f"{scenario}.stimulus.npy", self.stimulus)
        np.save(folder / f"{scenario}.expected.npy", self.expected)

    @classmethod
    def load(cls, folder: Path, scenario: str) -> "ArrayPlan":
        """The plan that :meth:`save` wrote."""
        title, warm_up, columns, bits = json.loads((folder / f"{scenario}.plan.json").read_text())
        ports = PortMap.from_json((folder / "ports.json").read_text())
        stimulus = np.load(folder / f"{scenario}.stimulus.npy")
        expected = np.load(folder / f"{scenario}.expected.npy")
        return cls(title, ports, warm_up, columns, bits, stimulus, expected)
