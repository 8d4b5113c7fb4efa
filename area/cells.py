"""Library cells as synthesis needs them: combinational gates, flip-flops and adder cells."""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from halfbyte.area.function import literal

__all__ = ["AdderCell", "Arc", "Cell", "FlipFlop", "Plane"]

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,79}")


class Plane(NamedTuple):
    """A time in ps as a plane over the input's slew in ps and the output's load in fF."""

    intrinsic: float
    per_slew: float
    per_load: float

    def at(self, slew: float, load: float) -> float:
        """The time at one point."""
        return self.intrinsic + self.per_slew * slew + self.per_load * load


class Arc(NamedTuple):
    """From one input to one output: delay and transition where the output rises, and falls.

    How a library's tables become planes is told in :mod:`halfbyte.area.timing_tables`.
    """

    rise: Plane
    fall: Plane
    rise_transition: Plane
    fall_transition: Plane


@dataclass(frozen=True)
class FlipFlop:
    """What makes a cell a rising-edge D flip-flop.

    ``inverted`` says that its output is QN. ``clear`` and ``preset`` are the pins, with ``!`` if
    low is active, that set the output's state to 0 and 1 at once (empty: there is none): tied
    inactive they leave a plain flip-flop. The cell's area counts in full.
    """

    data: str
    clock: str
    output: str
    inverted: bool
    setup_ps: float
    clear: str = ""
    preset: str = ""

    @property
    def tied(self) -> dict[str, int]:
        """The level that each asynchronous pin is tied to."""
        pins = (literal(expression) for expression in (self.clear, self.preset) if expression)
        return {pin: int(inverted) for pin, inverted in filter(None, pins)}


@dataclass(frozen=True)
class Cell:
    """One cell: area in um^2, leakage in nW, input capacitances in fF, functions by output.

    ``arcs[output][input]`` is the timing. A flip-flop's output has the function ``IQ`` or ``IQN``.
    Raises ValueError for a name that Verilog would not take, or no positive area.
    """

    name: str
    area: float
    leakage: float
    inputs: Mapping[str, float]
    outputs: Mapping[str, str]
    arcs: Mapping[str, Mapping[str, Arc]]
    flip_flop: FlipFlop | None = None

    def __post_init__(self) -> None:
        for name in (self.name, *self.inputs, *self.outputs):
            if not _NAME.fullmatch(name):
                raise ValueError(f"Cell and pin names must be identifiers, not {name[:60]!r}")
        if not 0 < self.area < math.inf:
            raise ValueError(f"Area of {self.name} must be positive, not {self.area}")

    def to_card(self) -> dict[str, Any]:
        """The cell as plain data for a card."""
        card: dict[str, Any] = {
            "area": self.area,
            "leakage": self.leakage,
            "inputs": dict(self.inputs),
            "outputs": {pin: self._output_to_card(pin) for pin in self.outputs},
        }
        if self.flip_flop:
            card["flip_flop"] = dict(vars(self.flip_flop))
        return card

    def _output_to_card(self, pin: str) -> dict[str, Any]:
        card: dict[str, Any] = {"function": self.outputs[pin]}
        if self.arcs.get(pin):
            card["timing"] = {
                source: [list(plane) for plane in arc] for source, arc in self.arcs[pin].items()
            }
        return card

    @classmethod
    def from_card(cls, name: str, card: Mapping[str, Any]) -> "Cell":
        """The cell of a card; raises KeyError, TypeError or ValueError for a card that is none."""
        flip_flop = card.get("flip_flop")
        return cls(
            name=name,
            area=float(card["area"]),
            leakage=float(card["leakage"]),
            inputs={str(pin): float(value) for pin, value in card["inputs"].items()},
            outputs={str(pin): str(out["function"]) for pin, out in card["outputs"].items()},
            arcs={
                str(pin): {str(source): _arc(arc) for source, arc in out.get("timing", {}).items()}
                for pin, out in card["outputs"].items()
            },
            flip_flop=FlipFlop(**flip_flop) if flip_flop else None,
        )


def _arc(planes: Sequence[Sequence[float]]) -> Arc:
    return Arc(*(Plane(*(float(value) for value in plane)) for plane in planes))


@dataclass(frozen=True)
class AdderCell:
    """A full or half adder: its cell, its pins, and which outputs are inverted.

    ``inputs`` are interchangeable.
    """

    cell: str
    inputs: tuple[str, ...]
    total: str
    carry: str
    total_inverted: bool
    carry_inverted: bool
