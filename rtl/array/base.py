"""``SystolicSpec``: what the specifications of all systolic arrays share.

An *element* is one place in the grid of rows and columns: a dot-product unit and its registers.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, ClassVar, Self

from amaranth.lib import wiring

from halfbyte.base import UserError
from halfbyte.rtl.array.element import Element
from halfbyte.rtl.array.grid import ArrayGrid, along_rows
from halfbyte.rtl.array.names import ARRAY, COLUMN_DELAY, REGISTERS, ROW_DELAY, Dataflow
from halfbyte.rtl.array.registers import DelayStage, moving_ports
from halfbyte.rtl.dot import DotSpec

__all__ = ["MAX_SIDE", "Part", "SystolicSpec"]

MAX_SIDE = 256


@dataclass(frozen=True)
class Part:
    """A part of an array. Each part is synthesized alone.

    ``make`` builds a new component for the part; ``count`` says how often the array contains it.
    """

    make: Callable[[], wiring.Component]
    count: int


@dataclass(frozen=True)
class SystolicSpec(ABC):
    """A systolic array: rows and columns of units.

    The array computes a layer in tiles, one after the other. A tile is the part of the layer that
    the array works on at one time.

    Parameters
    ----------
    unit : DotSpec
        The unit in each element; with ``lanes=1`` it is a single MAC.
    rows, columns : int
        Numbers of rows and columns, 1 to 256.

    Raises
    ------
    TypeError
        A number of rows or columns is not an int.
    UserError
        A number of rows or columns is out of range.
    """

    unit: DotSpec
    rows: int
    columns: int
    DATAFLOW: ClassVar[Dataflow]

    def __post_init__(self) -> None:
        for side in ("rows", "columns"):
            value = getattr(self, side)
            if isinstance(value, bool) or not isinstance(value, int):
                raise TypeError(f"{side} must be an int, not {value!r}")
            if not 1 <= value <= MAX_SIDE:
                raise UserError(f"An array must have 1 to {MAX_SIDE} {side}, not {value}")

    @property
    def elements(self) -> int:
        """Number of elements in the array, each with one unit."""
        return self.rows * self.columns

    @property
    def macs(self) -> int:
        """Products that the whole array computes per cycle."""
        return self.elements * self.unit.lanes

    @property
    def weight_bits(self) -> int:
        """Bits of weight codes that an element takes in a cycle."""
        return self.unit.lanes * self.unit.weight.bits

    @property
    def activation_bits(self) -> int:
        """Bits of activation codes that an element takes in a cycle."""
        return self.unit.lanes * self.unit.activation.bits

    @property
    def scale_bits(self) -> int:
        """Bits of the scales of one operand that an element takes in a cycle; 0 without scales."""
        unit = self.unit
        return unit.blocks_per_cycle * unit.scale.bits if unit.scale else 0

    @property
    def control_bits(self) -> int:
        """Bits of control that move through a row together with the activations."""
        return len(self.element_controls)

    @property
    def result_bits(self) -> int:
        """Bits of a result: those of the accumulator and, for an exact accumulator, ``nan``."""
        return self.unit.width + int(self.unit.is_exact)

    @property
    @abstractmethod
    def element_unit(self) -> DotSpec:
        """The unit that an element contains: ``unit``, or a variant of it."""

    @property
    @abstractmethod
    def controls(self) -> tuple[str, ...]:
        """The array's control inputs."""

    @property
    @abstractmethod
    def element_controls(self) -> tuple[str, ...]:
        """The control inputs that go through all elements of a row."""

    @property
    @abstractmethod
    def rising_ports(self) -> Mapping[str, int]:
        """Names and widths in bits of the data that moves up through a column."""

    @property
    @abstractmethod
    def register_bits(self) -> int:
        """Number of flip-flops in an element outside of its unit."""

    @property
    def skew_bits(self) -> int:
        """Number of flip-flops that delay rows and columns at the edges by 0, 1, 2, ... cycles."""
        across, down = (self._delayed_bits(rows) for rows in (True, False))
        return _triangle(self.rows) * across + _triangle(self.columns) * down

    @property
    def parts(self) -> dict[str, Part]:
        """The parts that are synthesized alone, by name; the unit is not among them."""
        ports = moving_ports(self)
        across, down = (
            {name: bits for name, bits in ports.items() if along_rows(name) is rows}
            for rows in (True, False)
        )
        return {
            REGISTERS: Part(self.registers, self.elements),
            ROW_DELAY: Part(partial(DelayStage, ports=across), _triangle(self.rows)),
            COLUMN_DELAY: Part(partial(DelayStage, ports=down), _triangle(self.columns)),
        }

    def _delayed_bits(self, rows: bool) -> int:
        """Bits of the data that enters one row, or one column, in a cycle."""
        ports = moving_ports(self).items()
        return sum(bits for name, bits in ports if along_rows(name) is rows)

    @property
    @abstractmethod
    def tile_inputs(self) -> int:
        """Number of a layer's inputs that the array takes in one step. Zeros fill up the last step.

        A step is a cycle if sums stay in the elements, and a tile if weights stay.
        """

    @property
    @abstractmethod
    def tile_tokens(self) -> int:
        """Number of tokens (rows of the layer's input matrix) for which a tile gives results."""

    @abstractmethod
    def cycles(self, inputs: int, outputs: int, tokens: int) -> int:
        """Cycles that a layer takes. It adds ``inputs`` products for each output and each token.

        A tile follows the one before it at once, except for short sums in an output-stationary
        array: there, tiles begin at least ``2 * rows - 1`` cycles apart, so that the results of two
        tiles do not collide. The cycles that fill and empty the array count once.
        """

    def utilization(self, inputs: int, outputs: int, tokens: int) -> float:
        """The layer's products as a share of those that the array could compute in the same time.

        It is a number from 0 to 1. :meth:`cycles` gives the time, in cycles.
        """
        needed = inputs * outputs * tokens
        return needed / (self.cycles(inputs, outputs, tokens) * self.macs)

    @property
    def weight_cycles(self) -> int | None:
        """Cycles for which an element keeps its weights; None if it takes new ones every cycle."""
        return None

    @property
    @abstractmethod
    def warm_up(self) -> int:
        """Cycles after power-up until the output ``valid`` is known.

        The control input ``take``, which makes results leave the array, must be low until then.
        """

    @property
    @abstractmethod
    def results_per_take(self) -> int:
        """Number of results that leave each column after one cycle with ``take`` high."""

    @abstractmethod
    def latency(self, number: int, column: int) -> int:
        """Cycles from ``take`` to result ``number`` of a column; the first result is number 0."""

    @property
    def name(self) -> str:
        """A name for modules and files."""
        return f"array_{self.rows}x{self.columns}_{self.unit.name}"

    @property
    def title(self) -> str:
        """A title for people: the size, such as ``4 x 4 units``, and the title of the unit."""
        return f"{self.rows} x {self.columns} units, {self.unit.title}"

    @property
    def fields(self) -> dict[str, Any]:
        """The specification as fields of a record."""
        own = {"unit": ARRAY, "dataflow": self.DATAFLOW.value, "depth": None}
        return {**self.unit.fields, **own, "rows": self.rows, "columns": self.columns}

    def with_architecture(self, name: str) -> Self:
        """The same array with the lane architecture ``name`` in its units."""
        return replace(self, unit=replace(self.unit, architecture=name))

    @abstractmethod
    def component(self) -> ArrayGrid:
        """A new array. It instantiates its elements by name; :meth:`element` makes their module."""

    @abstractmethod
    def element(self) -> Element:
        """A new element. It instantiates its unit by name."""

    @abstractmethod
    def registers(self) -> wiring.Component:
        """A new component with the registers of an element."""


def _triangle(side: int) -> int:
    """0 + 1 + ... + (side - 1)."""
    return side * (side - 1) // 2
