"""Library cells for synthesis as data: gates, flip-flops, adder cells and their timing."""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from halfbyte.area.cells.function import literal
from halfbyte.area.cells.nldm import Table

__all__ = ["AdderCell", "Arc", "Cell", "Edge", "FlipFlop", "TieCell"]

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,79}")


class Edge(NamedTuple):
    """One edge of an output: tables of its delay and its transition time in ps.

    The axes of both tables are the slew of the input and the load of the output.
    """

    delay: Table
    transition: Table


class TieCell(NamedTuple):
    """The name of a cell without inputs, and that of its output pin that gives a constant."""

    cell: str
    pin: str


class Arc(NamedTuple):
    """Timing from one input to one output: tables for the output's rising and falling edge.

    ``sense`` says which edge of the input causes an edge of the output: the same edge
    (``positive``), the opposite edge (``negative``), or either (``both``). An XOR may have a
    positive and a negative arc. For a flip-flop, the input is the clock, and only its rising edge
    counts. ``rise`` or ``fall`` is None if there are no tables for that edge.
    """

    sense: str
    rise: Edge | None
    fall: Edge | None

    @property
    def edges(self) -> list[Edge]:
        """The edges that are not None; an arc has at least one."""
        return [edge for edge in (self.rise, self.fall) if edge]


@dataclass(frozen=True)
class FlipFlop:
    """The pins and the setup times of a cell that is a rising-edge D flip-flop.

    Synthesis ties clear and preset inactive, so that the cell acts as a plain flip-flop. The area
    of the whole cell still counts.

    Parameters
    ----------
    data, clock, output : str
        Names of the pins.
    inverted : bool
        Whether the output is the inverse of the state (QN).
    setup : tuple of two Table, optional
        Setup times in ps of a rising and a falling data input, over the slews of data and clock.
        None if the library does not state them.
    clear, preset : str
        The pins that set the state to 0 and to 1 without waiting for the clock, with ``!`` before a
        pin that is active low; empty for a missing pin.
    """

    data: str
    clock: str
    output: str
    inverted: bool
    setup: tuple[Table, Table] | None
    clear: str = ""
    preset: str = ""

    @property
    def tied(self) -> dict[str, int]:
        """The level that each clear or preset pin is tied to."""
        pins = (literal(expression) for expression in (self.clear, self.preset) if expression)
        return {pin: int(inverted) for pin, inverted in filter(None, pins)}


@dataclass(frozen=True)
class Cell:
    """One cell of a library.

    Parameters
    ----------
    name : str
        Its name in the library.
    area : float
        Area in um^2.
    leakage : float, optional
        Leakage power in nW; None if the library does not state it.
    inputs : mapping of str to float
        Capacitance of each input in fF.
    outputs : mapping of str to str
        Function of each output. For a flip-flop it is ``IQ``, the state, or ``IQN``, its inverse.
    arcs : mapping
        ``arcs[output][input]`` has the timing from the input to the output, one arc for each sense.
    flip_flop : FlipFlop, optional
        For a flip-flop: its pins and setup times.
    energies : mapping
        ``energies[output][input]`` is a table of the internal energy in fJ of a transition of the
        output that the input causes.
    input_energies : mapping of str to Table
        By input, a table of the internal energy in fJ that its transition costs in addition to the
        energies of the outputs. Inputs for which the library states no such energy are missing.
    late_inputs : mapping of str to float
        The upper ends of the inputs' capacitance ranges in fF, for computing the longest delay.
        Inputs without a range are missing.
    untimed : str
        What is missing for computing delays and energies, such as a capacitance (``inputs`` then
        has 0); empty if nothing is missing.

    Raises
    ------
    ValueError
        The name of the cell or of a pin is not a plain Verilog identifier of at most 80 characters,
        or the area is not positive and finite.
    """

    name: str
    area: float
    leakage: float | None
    inputs: Mapping[str, float]
    outputs: Mapping[str, str]
    arcs: Mapping[str, Mapping[str, tuple[Arc, ...]]]
    flip_flop: FlipFlop | None = None
    energies: Mapping[str, Mapping[str, Table]] = field(default_factory=dict)
    input_energies: Mapping[str, Table] = field(default_factory=dict)
    late_inputs: Mapping[str, float] = field(default_factory=dict)
    untimed: str = ""

    def __post_init__(self) -> None:
        for name in (self.name, *self.inputs, *self.outputs):
            if not _NAME.fullmatch(name):
                raise ValueError(
                    "Cell and pin names must be identifiers of at most 80 characters, not "
                    f"{name[:60]!r}"
                )
        if not 0 < self.area < math.inf:
            raise ValueError(f"Area of {self.name} must be positive and finite, not {self.area}")

    @property
    def states_energies(self) -> bool:
        """Whether the library states any internal energy of the cell."""
        return any(self.energies.values()) or bool(self.input_energies)

    def late_capacitance(self, pin: str) -> float:
        """Capacitance of an input in fF, for computing the longest delay (see ``late_inputs``)."""
        return self.late_inputs.get(pin, self.inputs[pin])


@dataclass(frozen=True)
class AdderCell:
    """A full or half adder: its cell, its pins, and which outputs are inverted.

    ``inputs`` are the names of the input pins, which are interchangeable. ``total`` and ``carry``
    are the names of the output pins of the sum and of the carry.
    """

    cell: str
    inputs: tuple[str, ...]
    total: str
    carry: str
    total_inverted: bool
    carry_inverted: bool
