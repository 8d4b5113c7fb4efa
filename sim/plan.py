"""Holds the plan of one simulation of MACs: inputs and expected results.

The runner writes a plan to files, and the test bench inside the simulator reads them. This module
avoids PyTorch, so that the simulator starts in a fraction of a second.
"""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "CAUGHT",
    "FOLDER_VARIABLE",
    "MUTANTS",
    "SCENARIOS",
    "STIMULUS_BITS",
    "Field",
    "Layout",
    "Plan",
    "PlanLike",
]

# The environment variable that tells the test bench the folder of plans and reports.
FOLDER_VARIABLE = "HALFBYTE_SIM_FOLDER"
# Files in that folder: the mutants (faulty designs) to run, and the scenario that caught each.
MUTANTS, CAUGHT = "mutants.json", "caught.json"
# The sequences of inputs that test a MAC; halfbyte.sim.scenarios makes them.
SCENARIOS = ("pairs", "extremes", "limits", "clears", "random")
# Width of the bench's stimulus port: two codes of at most 8 bits, clear and enable fit.
STIMULUS_BITS = 32
# Verilator stores wide ports in words of this size. If ports are whole words, the models of most
# formats have the same header, so that builds can share compiled files.
WORD_BITS = 32


class PlanLike(Protocol):
    """The plan of one scenario, for any unit."""

    @property
    def products(self) -> int:
        """Number of results that are compared when the scenario runs to its end."""

    def save(self, folder: Path, scenario: str) -> None:
        """Write the plan for ``scenario`` into ``folder``."""


@dataclass(frozen=True)
class Field:
    """One accumulator in the bench's port ``acc``.

    ``enable`` says whether the accumulator's MAC has an enable port.
    """

    name: str
    width: int
    enable: bool


@dataclass(frozen=True)
class Layout:
    """The design under test, and where its ports lie in the two wide ports of the bench.

    The port ``stimulus`` has ``w`` from bit 0 on, then ``a``, ``clear``, ``enable``. The port
    ``acc`` has the accumulators of all MACs.

    Parameters
    ----------
    title : str
        What is simulated, for messages.
    seed : int
        Seed of the random scenarios.
    w_values, a_values : tuple of str
        The value of every code, in code order.
    unit : str
        What the integer 1 in an accumulator stands for.
    fields : tuple of Field
        The accumulators in ``acc``, the first in the lowest bits.
    latency : int
        Clock edges from an input to the accumulator that includes it.
    """

    title: str
    seed: int
    w_values: tuple[str, ...]
    a_values: tuple[str, ...]
    unit: str
    fields: tuple[Field, ...]
    latency: int = 1

    @property
    def w_bits(self) -> int:
        """Bits of a weight's code."""
        return (len(self.w_values) - 1).bit_length()

    @property
    def a_bits(self) -> int:
        """Bits of an activation's code."""
        return (len(self.a_values) - 1).bit_length()

    @property
    def offsets(self) -> tuple[int, ...]:
        """The lowest bit of each accumulator in ``acc``."""
        ends = np.cumsum([field.width for field in self.fields]).tolist()
        return (0, *ends[:-1])

    @property
    def acc_bits(self) -> int:
        """Width of the port ``acc``: all accumulators, rounded up to whole words."""
        used = sum(field.width for field in self.fields)
        return -(-used // WORD_BITS) * WORD_BITS

    @classmethod
    def from_json(cls, text: str) -> "Layout":
        """The layout that :meth:`to_json` wrote."""
        entries: dict[str, Any] = json.loads(text)
        fields = tuple(Field(**field) for field in entries.pop("fields"))
        for name in ("w_values", "a_values"):
            entries[name] = tuple(entries[name])
        return cls(**entries, fields=fields)

    def to_json(self) -> str:
        """The layout as JSON text."""
        return json.dumps(asdict(self))


@dataclass(frozen=True)
class Plan:
    """Inputs and expected results of one scenario.

    Parameters
    ----------
    layout : Layout
        The design, and the bits of its ports.
    stimulus : array
        (T,) uint32, one word per clock cycle, packed as :class:`Layout` says.
    expected : array
        (fields, T) int64: the value of each accumulator after each cycle.
    """

    layout: Layout
    stimulus: NDArray[np.uint32]
    expected: NDArray[np.int64]

    @property
    def columns(self) -> tuple[NDArray[Any], NDArray[Any], NDArray[np.bool_], NDArray[np.bool_]]:
        """The parts of the stimulus: codes w and a, and the flags clear and enable; each (T,)."""
        w_bits, code_bits = self.layout.w_bits, self.layout.w_bits + self.layout.a_bits
        codes = self.stimulus & (1 << code_bits) - 1
        clear, enable = (self.stimulus >> code_bits + bit & 1 == 1 for bit in (0, 1))
        return codes & (1 << w_bits) - 1, codes >> w_bits, clear, enable

    @property
    def products(self) -> int:
        """Number of products that are checked when the scenario runs to its end."""
        return self.products_until(len(self.stimulus))

    def products_until(self, cycles: int) -> int:
        """Number of products that all MACs together add in the first ``cycles`` cycles.

        A MAC with an enable port adds none while enable is low.
        """
        enable_bit = self.layout.w_bits + self.layout.a_bits + 1
        enabled = int((self.stimulus[:cycles] >> enable_bit & 1).sum())
        return sum(enabled if field.enable else cycles for field in self.layout.fields)

    def save(self, folder: Path, scenario: str) -> None:
        """Write the plan for ``scenario`` into ``folder``."""
        (folder / "layout.json").write_text(self.layout.to_json())
        np.save(folder / f"{scenario}.stimulus.npy", self.stimulus)
        np.save(folder / f"{scenario}.expected.npy", self.expected)

    @classmethod
    def load(cls, folder: Path, scenario: str) -> "Plan":
        """The plan that :meth:`save` wrote."""
        return cls(
            layout=Layout.from_json((folder / "layout.json").read_text()),
            stimulus=np.load(folder / f"{scenario}.stimulus.npy"),
            expected=np.load(folder / f"{scenario}.expected.npy"),
        )
