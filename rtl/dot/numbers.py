"""``DotNumbers``: what a dot-product unit computes, and the widths of its numbers."""

import enum
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

from halfbyte.base import UserError
from halfbyte.formats import (
    MAX_ACC_WIDTH,
    Format,
    Overflow,
    ScaleCode,
    check_acc_width,
    check_terms,
    lossless_acc_width,
    product_extremes,
    signed_width,
)
from halfbyte.rtl.architecture import check_formats
from halfbyte.rtl.dot.adders import PLAIN, AdderStyle, FinalAdder
from halfbyte.rtl.dot.lane import LaneBits, lane_bits
from halfbyte.rtl.spec import AUTO

__all__ = ["MAX_LANES", "Accumulator", "DotNumbers"]

MAX_LANES = 1024
# The most blocks that a unit may add within one cycle, by adders in series.
MAX_BLOCKS = 16
# The golden model adds blocks in FP64, which has a significand of this many bits.
MAX_BLOCK_BITS = 53
FP32_BITS = 32
SMALLEST_EXPONENT = -149  # of FP32's smallest subnormal


class Accumulator(enum.Enum):
    """The number type of the accumulator.

    A block is a group of products that share a scale for the weights and one for the activations.
    """

    INTEGER = "integer"
    """Two's complement, in units of ``weight.quantum * activation.quantum``; no scales."""

    FP32 = "fp32"
    """IEEE 754 single precision, rounded once to nearest even for every block."""

    EXACT = "exact"
    """Fixed point in two's complement. Scaled blocks are added without rounding."""


@dataclass(frozen=True)
class DotNumbers:
    """The parameters of a dot-product unit, and the widths and values that follow from them.

    :class:`halfbyte.rtl.dot.DotUnit` says what the unit does. A *lane* is the part of it that
    computes one product per cycle. A tree of adders adds the products of all lanes, or of one block
    if the unit takes several blocks per cycle.

    Parameters
    ----------
    weight, activation : Format
        Operand formats.
    lanes : int
        Number of lanes, so also of products per cycle.
    architecture : str
        Architecture of a lane (:func:`halfbyte.rtl.dot.lane_architectures`), or ``auto`` to let
        synthesis choose the smallest.
    accumulator : Accumulator
        The number type of the accumulator.
    scale : ScaleCode, optional
        Type of the blocks' scales; for FP32 and exact accumulators.
    block : int, optional
        Number of products in a block, which share scales: a multiple of the number of lanes, or a
        divisor of it. With a multiple, a block takes several cycles. With a divisor, the unit takes
        several blocks a cycle. Default: the number of lanes.
    terms : int
        Number of products in the longest sum. The lossless width of an integer or exact accumulator
        is just enough for every such sum.
    acc_width : int, optional
        Bits of an integer or exact accumulator, instead of the lossless width.
    overflow : Overflow
        What an integer accumulator does with sums outside its range; an exact one wraps.
    window : (int, int), optional
        An exact accumulator takes blocks for which the sum of both scales' exponents is in this
        range. A scale is m * 2**e with an integer significand m, and e is its exponent. Default:
        all sums.
    final_adder : FinalAdder
        The kind of the last adder, both in the adder tree and in the FP32 adder.
    adders : AdderStyle
        The full adders of the cell library for which the unit is made.
    chained : bool
        Whether the unit adds its products to the number at an input port instead of its own
        accumulator, as the elements of a weight-stationary array do.

    Raises
    ------
    TypeError
        A format, the architecture, or the number of lanes, terms or accumulator bits has the wrong
        type.
    UserError
        A value is out of range, the architecture does not fit the formats (ArchitectureError), or
        parameters do not go together.
    """

    weight: Format
    activation: Format
    lanes: int
    architecture: str = AUTO
    accumulator: Accumulator = Accumulator.INTEGER
    scale: ScaleCode | None = None
    block: int | None = None
    terms: int = 256
    acc_width: int | None = None
    overflow: Overflow = Overflow.WRAP
    window: tuple[int, int] | None = None
    final_adder: FinalAdder = FinalAdder.RIPPLE
    adders: AdderStyle = PLAIN
    chained: bool = False

    def __post_init__(self) -> None:
        check_formats(self.weight, self.activation)
        if isinstance(self.lanes, bool) or not isinstance(self.lanes, int):
            raise TypeError(f"Lanes must be an int, not {self.lanes!r}")
        if not 1 <= self.lanes <= MAX_LANES:
            raise UserError(f"Lanes must be 1 to {MAX_LANES}, not {self.lanes}")
        check_terms(self.terms)
        if self.architecture != AUTO:
            lane_bits(self.weight, self.activation, self.architecture)
        self._check_block()
        self._check_accumulator()
        self._check_window()
        check_acc_width(self.width)

    def _check_block(self) -> None:
        if self.block is None:
            return
        if isinstance(self.block, bool) or not isinstance(self.block, int) or self.block < 1:
            raise UserError(f"Block must be a positive int, not {self.block!r}")
        if self.block % self.lanes and self.lanes % self.block:
            raise UserError(
                f"Lanes must be a multiple or a divisor of the block, not {self.lanes} for blocks "
                f"of {self.block}"
            )
        if self.blocks_per_cycle > MAX_BLOCKS:
            raise UserError(
                f"A unit adds at most {MAX_BLOCKS} blocks a cycle, not {self.blocks_per_cycle}: "
                "take fewer lanes or larger blocks"
            )
        if self.scale is None and self.block != self.lanes:
            raise UserError(
                f"A block of {self.block} products needs a scale that they share: give a scale "
                "format, or leave out the block size"
            )
        if self.chained and self.gathers:
            raise UserError(
                "A unit of a weight-stationary array adds a whole block a cycle: take as many "
                f"lanes as the block has products, {self.block}, not {self.lanes}"
            )

    def _check_accumulator(self) -> None:
        kind = self.accumulator
        if kind is Accumulator.INTEGER and self.scale is not None:
            raise UserError("An integer accumulator takes no scales: choose an fp32 or exact one")
        if kind is Accumulator.EXACT and self.scale is None:
            raise UserError("An exact accumulator is for scaled blocks: give a scale format")
        if kind is not Accumulator.INTEGER and self.overflow is not Overflow.WRAP:
            raise UserError(f"Only an integer accumulator can saturate, not {kind.value}")
        if kind is Accumulator.FP32 and self.acc_width not in (None, FP32_BITS):
            raise UserError(f"An FP32 accumulator has {FP32_BITS} bits, not {self.acc_width}")
        if kind is Accumulator.FP32 and self.significand_bits > MAX_BLOCK_BITS:
            raise UserError(
                f"The scaled sum of a block may have at most {MAX_BLOCK_BITS} significant bits, "
                f"not {self.significand_bits}: take fewer lanes or a narrower format"
            )

    def _check_window(self) -> None:
        if self.accumulator is not Accumulator.EXACT:
            if self.window is not None:
                raise UserError(
                    "A window of exponents is for an exact accumulator, not for "
                    f"{self.accumulator.value}"
                )
            return
        assert self.scale is not None  # noqa: S101
        if self.window is None and self.acc_width is None and self.width > MAX_ACC_WIDTH:
            raise UserError(
                f"An exact accumulator for {self.scale.title} scales would have {self.width} bits, "
                f"more than {MAX_ACC_WIDTH}: give a window of exponents"
            )
        if self.window is not None and self.window[0] > self.window[1]:
            low, high = self.window
            raise UserError(f"A window of exponents goes from low to high, not {low} to {high}")

    @property
    def block_size(self) -> int:
        """Number of products in a block."""
        return self.block or self.lanes

    @property
    def is_fp32(self) -> bool:
        """Whether the accumulator is FP32."""
        return self.accumulator is Accumulator.FP32

    @property
    def is_exact(self) -> bool:
        """Whether the accumulator holds scaled blocks in fixed point."""
        return self.accumulator is Accumulator.EXACT

    @property
    def gathers(self) -> bool:
        """Whether the unit adds up a block's sum over several cycles before it rounds."""
        return self.is_fp32 and self.cycles_per_block > 1

    @property
    def ripples(self) -> bool:
        """Whether the carries of the last adder ripple."""
        return self.final_adder is FinalAdder.RIPPLE

    @property
    def style(self) -> AdderStyle:
        """The kind of adders in the unit: those of the library, and the last adder."""
        return replace(self.adders, final=self.final_adder)

    @property
    def adds_base(self) -> bool:
        """Whether the tree also adds an earlier sum, from a register or the port ``addend``."""
        return self.gathers or self.accumulator is Accumulator.INTEGER

    @property
    def lane_bits(self) -> LaneBits:
        """For each bit that a lane gives to the tree, the amount that it adds to the sum."""
        return lane_bits(self.weight, self.activation, self.architecture)

    @property
    def cycles_per_block(self) -> int:
        """Cycles that a block takes; 1 if a cycle takes several blocks."""
        return max(1, self.block_size // self.lanes)

    @property
    def blocks_per_cycle(self) -> int:
        """Blocks that a cycle takes; 1 if a block takes several cycles."""
        return max(1, self.lanes // self.block_size)

    @property
    def block_lanes(self) -> int:
        """Lanes whose products belong to the same block in a cycle."""
        return self.lanes // self.blocks_per_cycle

    @property
    def sum_width(self) -> int:
        """Bits of the exact sum of the products of :attr:`block_lanes` lanes."""
        return self._sum_of(self.block_lanes)

    @property
    def block_width(self) -> int:
        """Bits of the exact sum of a block."""
        return self._sum_of(self.block_size)

    @property
    def tree_width(self) -> int:
        """Bits of the tree's output."""
        if self.accumulator is not Accumulator.INTEGER:
            return self.block_width if self.is_fp32 else self.sum_width
        # A saturating accumulator needs the exact sum, to see whether it is out of range.
        whole = max(self.width, self.sum_width) + 1
        return whole if self.overflow is Overflow.SATURATE else self.width

    def _sum_of(self, products: int) -> int:
        """Bits of the exact sum of that many products."""
        low, high = product_extremes(self.weight, self.activation)
        return signed_width(min(products * low, 0), max(products * high, 0))

    @property
    def significand_bits(self) -> int:
        """Bits of the largest product of a block's sum and the significands of both scales."""
        low, high = product_extremes(self.weight, self.activation)
        largest = self.scale.largest_significand if self.scale else 1
        return (self.block_size * max(-low, high) * largest**2).bit_length()

    @property
    def is_limited(self) -> bool:
        """Whether every sum of an FP32 accumulator is 0, NaN, or from 2^-63 to 2^64 in magnitude.

        Then no sum can overflow or be subnormal. The proof of the FP32 stage assumes these bounds.

        All sums are multiples of the power of two in :attr:`quantum` times the quanta of both
        scales, so a sum that is not 0 is at least as large as this number. A sum stops growing once
        the largest block is less than half a unit in the last place of the sum. This is so once the
        sum is 2^25 times the largest block.
        """
        highest = self.block_width - 1 + self.exponent_of_quantum
        if self.scale:
            integer = self.scale.largest_integer.bit_length() + self.scale.quantum_exponent
            highest += 2 * integer
        # From 2^-63 to 2^64, exactly one of the top two bits of a biased exponent is 1. So two ones
        # can mark NaN.
        return self._least_place >= -63 and highest + 26 < 64

    @property
    def may_be_minus_zero(self) -> bool:
        """Whether an FP32 accumulator can hold -0: only if a negative sum can be rounded to 0."""
        return self._least_place < SMALLEST_EXPONENT

    @property
    def _least_place(self) -> int:
        """The exponent of a power of two of which all sums are multiples."""
        return self.exponent_of_quantum + (2 * self.scale.quantum_exponent if self.scale else 0)

    @property
    def quantum(self) -> Fraction:
        """What the integer 1 stands for in the sum of the lanes' products, without scales.

        It is the product of both formats' quanta. A format's quantum is the largest number that
        divides all of its values.
        """
        return self.weight.quantum * self.activation.quantum

    @property
    def exponent_of_quantum(self) -> int:
        """The exponent of the power of two in :attr:`quantum`.

        The number in an FP32 accumulator is already multiplied by this power of two.
        """
        return _twos(self.quantum.numerator) - _twos(self.quantum.denominator)

    @property
    def unit(self) -> Fraction:
        """What the number 1 stands for in the accumulator, without a scale for a whole tensor.

        The number in an FP32 accumulator is already multiplied by the power of two in
        :attr:`quantum`. Its unit is the remaining factor, such as 1/5.
        """
        if self.accumulator is Accumulator.INTEGER:
            return self.quantum
        exponent = self.exponent_of_quantum
        if self.accumulator is Accumulator.EXACT:
            return self.quantum * Fraction(2) ** self.lowest_exponent
        return self.quantum / Fraction(2) ** exponent

    @property
    def lowest_exponent(self) -> int:
        """The least sum of both scales' exponents, for an exact accumulator."""
        assert self.scale is not None  # noqa: S101
        return self.window[0] if self.window else 2 * self.scale.quantum_exponent

    @property
    def lossless_width(self) -> int:
        """Bits of the smallest integer or exact accumulator for all sums of ``terms`` products."""
        if self.accumulator is not Accumulator.EXACT:
            return lossless_acc_width(self.weight, self.activation, self.terms)
        assert self.scale is not None  # noqa: S101
        low, high = product_extremes(self.weight, self.activation)
        if self.window:
            largest = self.scale.largest_significand**2 << self.window[1] - self.window[0]
        else:
            largest = self.scale.largest_integer**2
        return signed_width(min(self.terms * low * largest, 0), max(self.terms * high * largest, 0))

    @property
    def width(self) -> int:
        """Bits of the accumulator."""
        if self.accumulator is Accumulator.FP32:
            return FP32_BITS
        return self.lossless_width if self.acc_width is None else self.acc_width

    @property
    def arithmetic(self) -> dict[str, Any]:
        """Keyword arguments of the golden model's function for this unit."""
        formats: dict[str, Any] = {"weight": self.weight, "activation": self.activation}
        if self.is_fp32:
            return {**formats, "scale": self.scale}
        if self.is_exact:
            scales = {"scale": self.scale, "window": self.window}
            return {**formats, **scales, "acc_width": self.width}
        return {**formats, "acc_width": self.width, "overflow": self.overflow}


def _twos(number: int) -> int:
    """How often 2 divides a positive number."""
    return (number & -number).bit_length() - 1
