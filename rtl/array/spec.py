"""``ArraySpec``: the specification of a systolic array, for RTL, simulation and synthesis."""

from dataclasses import dataclass, replace
from typing import Any, Self

from halfbyte.base import UserError
from halfbyte.rtl.array.names import ARRAY
from halfbyte.rtl.array.systolic import SystolicArray
from halfbyte.rtl.dot import DotSpec

__all__ = ["MAX_SIDE", "ArraySpec"]

MAX_SIDE = 256


@dataclass(frozen=True)
class ArraySpec:
    """An output-stationary systolic array. See :class:`halfbyte.rtl.array.SystolicArray`.

    Parameters
    ----------
    unit : DotSpec
        The unit in each element; ``lanes=1`` is a single MAC.
    rows, columns : int
        Numbers of rows and columns, 1 to 256. The elements of a row share activations, those of a
        column share weights.

    Raises
    ------
    TypeError, UserError
        On construction.
    """

    unit: DotSpec
    rows: int
    columns: int

    def __post_init__(self) -> None:
        for side in ("rows", "columns"):
            value = getattr(self, side)
            if isinstance(value, bool) or not isinstance(value, int):
                raise TypeError(f"{side} must be an int, not {value!r}")
            if not 1 <= value <= MAX_SIDE:
                raise UserError(f"An array has 1 to {MAX_SIDE} {side}, not {value}")

    @property
    def elements(self) -> int:
        """Units in the array."""
        return self.rows * self.columns

    @property
    def macs(self) -> int:
        """Products a cycle."""
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
        """Bits of a scale's code; 0 without scales."""
        return self.unit.scale.bits if self.unit.scale else 0

    @property
    def control_bits(self) -> int:
        """Bits that travel with the activations: clear, take, and last if a block takes cycles."""
        return 3 if self.unit.gathers else 2

    @property
    def result_bits(self) -> int:
        """Bits of a result: the accumulator, and above it the ``nan`` bit if the accumulator is
        exact."""
        return self.unit.width + int(self.unit.is_exact)

    @property
    def register_bits(self) -> int:
        """Flip-flops of an element outside of its unit."""
        moving = self.weight_bits + self.activation_bits + 2 * self.scale_bits + self.control_bits
        return moving + self.result_bits + 1

    @property
    def skew_bits(self) -> int:
        """Flip-flops that delay row r by r cycles and column c by c cycles."""
        along_rows = self.activation_bits + self.scale_bits + self.control_bits
        along_columns = self.weight_bits + self.scale_bits
        return (
            self.rows * (self.rows - 1) // 2 * along_rows
            + self.columns * (self.columns - 1) // 2 * along_columns
        )

    @property
    def least_steps(self) -> int:
        """Fewest cycles between the results of two tiles; with fewer they would collide."""
        return 2 * self.rows - 1

    def cycles(self, inputs: int, outputs: int, tokens: int) -> int:
        """Cycles of a layer that adds ``inputs`` products for each of ``outputs`` and ``tokens``.

        Tiles follow each other without a gap. The cycles that fill and empty the array count once.
        """
        steps = max(-(-inputs // self.unit.lanes), self.least_steps)
        tiles = -(-tokens // self.rows) * -(-outputs // self.columns)
        return tiles * steps + self.rows + self.columns + self.least_steps + 1

    def utilization(self, inputs: int, outputs: int, tokens: int) -> float:
        """The part of the array's products that the layer uses, 0 to 1."""
        needed = inputs * outputs * tokens
        return needed / (self.cycles(inputs, outputs, tokens) * self.macs)

    @property
    def name(self) -> str:
        """A name for modules and files."""
        return f"array_{self.rows}x{self.columns}_{self.unit.name}"

    @property
    def title(self) -> str:
        """A title for readers."""
        return f"{self.rows} x {self.columns} units, {self.unit.title}"

    @property
    def fields(self) -> dict[str, Any]:
        """The fields with which a record repeats the specification."""
        return {**self.unit.fields, "unit": ARRAY, "rows": self.rows, "columns": self.columns}

    def with_architecture(self, name: str) -> Self:
        """The same array with a named architecture of its lanes."""
        return replace(self, unit=replace(self.unit, architecture=name))

    def component(self) -> SystolicArray:
        """A new array. It instantiates the modules of its elements and their units by name."""
        return SystolicArray(self)
