"""The dot-product unit."""

import math
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, cast

from amaranth.hdl import Instance, Module, Mux, Signal, Value, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from halfbyte.formats import Overflow
from halfbyte.rtl.bf16.accumulate import Accumulate
from halfbyte.rtl.dot.adders import FINAL, FinalAdder, FinalSum, adder_modules
from halfbyte.rtl.dot.fp32_sum import Fp32Sum
from halfbyte.rtl.dot.lane import lane_bits
from halfbyte.rtl.dot.products import LANE, add_products
from halfbyte.rtl.dot.scaled_block import ScaledBlock, block_exponent_bits
from halfbyte.rtl.dot.scaled_term import ScaledTerm
from halfbyte.rtl.dot.tree import Bit, SignedColumns
from halfbyte.rtl.exported import Exported

if TYPE_CHECKING:
    from halfbyte.rtl.dot.spec import DotSpec

__all__ = ["DotUnit", "fp32_stage", "has_small_stage", "small_stage", "total_name"]


class DotUnit(Exported):
    """Dot-product unit: adds the products of all lanes in every cycle. Latency 1 cycle.

    A lane computes one product per cycle. A block is a group of products that share a scale for the
    weights and one for the activations. Let P be the exact sum over the lanes of ``w * a``, s the
    product of both scales (1 without scales), and fl rounding to FP32.

    - Integer: ``acc <= (clear ? 0 : acc) + P``.
    - FP32: ``acc <= fl((clear ? +0 : acc) + P * s)``, with one rounding to nearest even, subnormals
      and infinities as in IEEE 754. A NaN scale makes ``acc`` NaN (7FC00000) until ``clear``.
    - Exact: ``acc <= (clear ? 0 : acc) + P * s``. If a scale is NaN, or the sum of both scales'
      exponents is outside ``spec.window``, ``nan`` becomes high and stays high until ``clear``.

    In an FP32 unit, a block may have more products than there are lanes. The unit then adds up the
    block as an integer, over several cycles. In the last of them, ``last`` is high, and the unit
    multiplies by that cycle's scales and rounds. ``clear`` drops all earlier products, also those
    of the current block.

    If there are more lanes than products in a block, a cycle takes several blocks. P and s are then
    those of a block. The blocks are added one after the other, and an FP32 unit rounds after each.

    There is no reset: ``clear`` starts a new sum. The operands are not registered.

    A chained unit adds to ``addend`` instead of its own ``acc``, and has no ``clear``. In a chain,
    the ``acc`` of one unit is the ``addend`` of the next, so a sum moves on by one unit a cycle.

    Parameters
    ----------
    spec : :class:`DotSpec`
        The specification of the unit. The architecture must not be ``auto``.

    Members
    -------
    w, a : ``In(lanes * weight.bits)``, ``In(lanes * activation.bits)``
        Operand codes, lane 0 in the lowest bits, sampled at every rising clock edge.
    clear : ``In(1)``
        High to start a new sum with this cycle's products.
    addend, addend_nan : ``In(width)``, ``In(1)``
        The sum to which P is added: ``acc`` and ``nan`` of another unit. Only a chained unit has
        these ports, instead of ``clear``.
    w_scale, a_scale : ``In(blocks_per_cycle * scale.bits)``
        Codes of the blocks' scales, if they have scales; those of the first block in the lowest
        bits.
    last : ``In(1)``
        Only in an FP32 unit whose blocks take several cycles: high in the last cycle of a block.
    acc : ``Out(signed(width))``, or ``Out(32)`` if the accumulator is FP32
        The sum, in units of ``spec.unit``, valid after the clock edge.
    nan : ``Out(1)``
        Only with an exact accumulator: high if the sum is NaN.

    Raises
    ------
    ArchitectureError
        The architecture is ``auto``, which only synthesis can resolve.
    """

    def __init__(self, spec: "DotSpec") -> None:
        lane_bits(spec.weight, spec.activation, spec.architecture)  # raises for ``auto``
        self.spec = spec
        shapes = {name: Out(width) for name, width in spec.outputs.items()}
        if not spec.is_fp32:
            shapes["acc"] = Out(signed(spec.width))
        members = {**{name: In(width) for name, width in spec.inputs.items()}, **shapes}
        super().__init__(members)

    @property
    def modules(self) -> Mapping[str, Callable[[], wiring.Component]]:
        spec = self.spec
        final = {} if spec.ripples else {FINAL: partial(FinalSum, width=spec.tree_width)}
        return {LANE: spec.lane, **adder_modules(spec.adders), **final}

    def header(self) -> Sequence[str]:
        spec = self.spec
        lines = [
            f"Dot-product unit, {spec.lanes} lanes; P: the exact sum over the lanes of w * a",
            *(
                f"{side}: {spec.lanes} codes, lane 0 lowest, of {fmt.title}, {fmt.bits} bits, "
                f"quantum {fmt.quantum}"
                for side, fmt in (("w", spec.weight), ("a", spec.activation))
            ),
        ]
        before = "addend" if spec.chained else "(clear ? 0 : acc)"
        if spec.is_fp32:
            scales = " * w_scale * a_scale" if spec.scale else ""
            lines.append(
                f"every rising clk edge, acc <= fl({before} + P{scales}); fl: rounding to FP32"
            )
        elif spec.is_exact:
            lines.append(f"every rising clk edge, acc <= {before} + P * w_scale * a_scale, exact")
        else:
            lines.append(f"every rising clk edge, acc <= {before} + P")
        if spec.scale:
            lines.append(
                f"w_scale, a_scale: {spec.scale.title}; {spec.block_size} products a block"
            )
        if spec.blocks_per_cycle > 1:
            lines.append(
                f"a cycle adds {spec.blocks_per_cycle} blocks, each with its own scales, block 0 "
                "(lowest) first; P and scales are those of a block"
            )
        if spec.gathers:
            lines.append(
                f"last: high in the last of a block's {spec.cycles_per_block} cycles; only then, "
                "or with a clear, acc changes"
            )
        if not spec.is_fp32:
            lines.append(
                f"acc: {spec.width} bits, two's complement, overflow: {spec.overflow.value}"
            )
        lines.append(f"acc is in units of {spec.unit}; multiplier of a lane: {spec.architecture}")
        return lines

    def elaborate(self, platform: object) -> Module:
        m = Module()
        keep = Signal()
        if not self.spec.chained:
            m.d.comb += keep.eq(~self.clear)
        if self.spec.is_fp32:
            self._fp32(m, keep)
        elif self.spec.is_exact:
            self._exact(m, keep)
        else:
            self._integer(m, keep)
        return m

    def _so_far(self, accumulator: Signal, keep: Value) -> Value:
        """The sum to which this cycle's products are added.

        It is ``addend`` in a chained unit. In any other unit it is ``accumulator``, or 0 if
        ``keep`` is low.
        """
        if self.spec.chained:
            return cast("Value", self.addend)
        return accumulator & keep.replicate(len(accumulator))

    def _sum(self, m: Module, columns: SignedColumns, block: int = 0) -> Value:
        """The sum of the bits in ``columns`` and a block's products, ``columns.width`` bits wide.

        Both go through one tree of adders.
        """
        spec = self.spec
        first = block * spec.block_lanes
        add_products(m, columns, spec, range(first, first + spec.block_lanes), self.w, self.a)
        total = Signal(columns.width, name=total_name(block))
        if spec.ripples:
            m.d.comb += total.eq(columns.total(m))
        else:
            is_balanced = spec.final_adder is FinalAdder.BALANCED
            one, other = columns.rows(m, columns.depth if is_balanced else math.inf)
            m.submodules += Instance(FINAL, i_a=one, i_b=other, o_total=total)
        return total

    def _added(self, m: Module, base: Value, width: int) -> Value:
        """``base``, in two's complement, plus this cycle's products; the sum has ``width`` bits."""
        columns = SignedColumns(width, style=self.spec.style)
        for place, bit in enumerate(base):
            negative = place == len(base) - 1 < width - 1
            columns.add(place, Bit(bit, negative, held=True))
        return self._sum(m, columns)

    def _integer(self, m: Module, keep: Value) -> None:
        """Build an integer accumulator. Its value is one more summand of the adder tree."""
        spec = self.spec
        accumulator = Signal(signed(spec.width), reset_less=True)
        base = Signal(spec.width)
        m.d.comb += [
            base.eq(self._so_far(accumulator, keep)),
            self.acc.eq(accumulator),
        ]
        if spec.overflow is Overflow.WRAP:
            m.d.sync += accumulator.eq(self._added(m, base, spec.tree_width))
            return
        width = spec.tree_width
        total = Signal(signed(width))
        high = 2 ** (spec.width - 1) - 1
        m.d.comb += total.eq(self._added(m, base, width))
        m.d.sync += accumulator.eq(Mux(total > high, high, Mux(total < ~high, ~high, total)))

    def _block_sum(self, m: Module, keep: Value, number: int) -> Value:
        """The exact sum of all products of block ``number`` so far, those of this cycle included.

        If a block takes several cycles, a register holds the sum from one cycle to the next.
        """
        spec = self.spec
        if not spec.gathers:
            return self._sum(m, SignedColumns(spec.tree_width, style=spec.style), number)
        gathered = Signal(signed(spec.block_width), reset_less=True)
        part = Signal(spec.block_width, name="base")
        m.d.comb += part.eq(gathered & keep.replicate(spec.block_width))
        total = self._added(m, part, spec.tree_width)
        m.d.sync += gathered.eq(total & (~self.last).replicate(spec.block_width))
        return total

    def _fp32(self, m: Module, keep: Value) -> None:
        """Build an FP32 accumulator, with one FP32 addition for each block of a cycle."""
        spec = self.spec
        accumulator = Signal(spec.width, reset_less=True)
        total = self._so_far(accumulator, keep)
        for number in range(spec.blocks_per_cycle):
            augend, total = self._plus_block(m, total, keep, number)
        m.d.comb += self.acc.eq(accumulator)
        m.d.sync += accumulator.eq(Mux(self.last, total, augend) if spec.gathers else total)

    def _plus_block(
        self, m: Module, before: Value, keep: Value, number: int
    ) -> tuple[Value, Value]:
        """Add a block with its scales to the FP32 number ``before``, and round the sum once.

        Returns ``before`` as a signal, and the sum.
        """
        spec = self.spec
        augend = Signal(spec.width)
        block, accumulate = ScaledBlock(spec), fp32_stage(spec)
        negative: Value = block.negative
        if isinstance(accumulate, Accumulate) and _can_add_zeros(spec):
            negative = negative & block.significand[-1]
        m.submodules[f"block{number or ''}"] = block
        m.submodules[f"accumulate{number or ''}"] = accumulate
        if spec.scale:
            self._take_scales(m, block, number)
        m.d.comb += [
            augend.eq(before),
            block.total.eq(self._block_sum(m, keep, number)),
            accumulate.negative.eq(negative),
            accumulate.exponent.eq(block.exponent),
            accumulate.significand.eq(block.significand),
            accumulate.is_nan.eq(block.is_nan),
            accumulate.augend.eq(augend),
        ]
        return augend, cast("Value", accumulate.total)

    def _take_scales(self, m: Module, block: ScaledBlock | ScaledTerm, number: int) -> None:
        """Connect the scale ports of ``block`` to the codes of block ``number``."""
        bits = len(block.w_scale)
        m.d.comb += [
            block.w_scale.eq(self.w_scale.word_select(number, bits)),
            block.a_scale.eq(self.a_scale.word_select(number, bits)),
        ]

    def _exact(self, m: Module, keep: Value) -> None:
        """Build an exact accumulator, which is a fixed-point number, and its flag for NaN."""
        spec = self.spec
        accumulator = Signal(signed(spec.width), reset_less=True)
        is_nan = Signal(reset_less=True)
        terms = [self._term(m, number) for number in range(spec.blocks_per_cycle)]
        m.d.comb += [self.acc.eq(accumulator), self.nan.eq(is_nan)]
        augend = Signal(signed(spec.width))
        m.d.comb += augend.eq(self._so_far(accumulator, keep))
        total: Value = augend
        becomes_nan: Value = self.addend_nan if spec.chained else is_nan & keep
        for term in terms:
            total, becomes_nan = total + term.scaled, becomes_nan | term.is_nan
        m.d.sync += [accumulator.eq(total), is_nan.eq(becomes_nan)]

    def _term(self, m: Module, number: int) -> ScaledTerm:
        """The sum of a block times its scales, in fixed point."""
        m.submodules[f"term{number or ''}"] = term = ScaledTerm(self.spec)
        columns = SignedColumns(self.spec.tree_width, style=self.spec.style)
        m.d.comb += term.total.eq(self._sum(m, columns, number))
        self._take_scales(m, term, number)
        return term


def _can_add_zeros(spec: "DotSpec") -> bool:
    """Whether a block of 0 may be added to an accumulator that is -0.

    The block must then be +0, even if a negative sum was multiplied by a scale of 0, so that the
    result is +0. Only a unit whose sums may be subnormal can round a sum to -0.
    """
    return spec.scale is not None and spec.scale.has_subnormals and not spec.is_limited


def total_name(block: int) -> str:
    """The name of the signal that holds a block's sum; proofs find the signal by this name."""
    return f"tree_total{block or ''}"


def has_small_stage(spec: "DotSpec") -> bool:
    """Whether a block's significand is narrow enough for the small FP32 adder, Fp32Sum."""
    return spec.significand_bits <= Fp32Sum.MAX_BITS


def small_stage(spec: "DotSpec") -> Fp32Sum:
    """The small FP32 adder; only for units for which :func:`has_small_stage` is true."""
    return Fp32Sum(
        significand_bits=spec.significand_bits,
        exponent_bits=block_exponent_bits(spec),
        limited=spec.is_limited,
        style=spec.style,
    )


def fp32_stage(spec: "DotSpec") -> Fp32Sum | Accumulate:
    """The FP32 adder of a unit: the small one if possible, otherwise one for any width."""
    if has_small_stage(spec):
        return small_stage(spec)
    return Accumulate(
        significand_bits=spec.significand_bits, exponent_bits=block_exponent_bits(spec)
    )
