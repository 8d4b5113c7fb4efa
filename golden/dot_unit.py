"""Compute the results of dot-product units on tensors, bit for bit.

``docs/architecture.md`` defines these units. A unit has several *lanes*. In each cycle, every lane
multiplies one weight and one activation. A *block* is a run of products that share two scales. All
values of a format are integers times one number, its *quantum*.

FP64 has a significand of 53 bits. It holds the value of a block exactly, scales included, if
:func:`check_block_bits` accepts the formats. It does not always hold the sum of that value and an
FP32 number. So the sum is rounded in two steps, first to 53 bits, then to FP32. The second step
could go wrong if the result of the first lay half-way between two FP32 numbers. So the first step
rounds *to odd*, and the two steps together give the same result as a single rounding (Boldo and
Melquiond, "Emulation of a FMA and correctly rounded sums", IEEE Transactions on Computers 57(4),
2008).
"""

from fractions import Fraction
from functools import cache

import torch
from torch import Tensor

from halfbyte.base import UserError
from halfbyte.formats import Format, Overflow, ScaleCode, product_extremes
from halfbyte.golden.checks import check_subnormals
from halfbyte.golden.dot_scalar import QUIET_NAN
from halfbyte.golden.mac import accumulate, dot, sums_since

__all__ = [
    "add_rounded_once",
    "block_values",
    "check_block_bits",
    "check_blocks",
    "check_scales",
    "exact_stream",
    "exact_terms",
    "fp32_stream",
    "integer_stream",
    "power_of_two",
    "scale_parts",
]

INT64_BITS = 64
FP64_BITS = 53
MAX_EXPONENT = 600  # of the power of two in the unit of a block's sum


def integer_stream(
    w_codes: Tensor,
    a_codes: Tensor,
    clear: Tensor,
    *,
    weight: Format,
    activation: Format,
    acc_width: int,
    overflow: Overflow = Overflow.WRAP,
    initial: int = 0,
) -> Tensor:
    """The integer accumulator after each cycle of ``acc <= (clear ? 0 : acc) + P``.

    P is the sum of the lanes' products. w_codes, a_codes: (T, lanes) uint8. clear: (T,) bool.
    Returns (T,) int64, in units of ``weight.quantum * activation.quantum``. ``initial`` is the
    accumulator before the first cycle.
    """
    sums = dot(w_codes, a_codes, weight, activation)
    return accumulate(sums, clear, acc_width=acc_width, overflow=overflow, initial=initial)


def fp32_stream(
    w_codes: Tensor,
    a_codes: Tensor,
    clear: Tensor,
    w_scales: Tensor | None = None,
    a_scales: Tensor | None = None,
    last: Tensor | None = None,
    *,
    weight: Format,
    activation: Format,
    scale: ScaleCode | None = None,
    initial: float = 0.0,
) -> Tensor:
    """The FP32 accumulator after each cycle: ``acc <= fl((clear ? +0 : acc) + P * s)``.

    P is the exact sum of a block's products, s is the product of both scales, and ``fl`` rounds to
    the nearest FP32 number, ties to even.

    w_codes, a_codes: (T, lanes) uint8. clear: (T,) bool. w_scales, a_scales: (T,) uint8, codes of
    ``scale``, or (T, B) if a cycle has B blocks. Then the first block has the first lanes / B
    lanes, and so on. The blocks are added in that order, each with one rounding. last: (T,) bool,
    true in the last cycle of each block; needed if a block takes several cycles, and only allowed
    if B is 1. The unit rounds only in that cycle, and uses the scales of that cycle. Returns (T,)
    float32. Like the hardware, the function multiplies by the power of two in the product of both
    quanta, but not by another factor, such as 1/127. Every NaN is 7FC00000. ``initial`` is the
    accumulator before the first cycle.

    Raises UserError if the value of a block may need more than 53 bits, or if PyTorch flushes
    subnormal numbers to zero, and the errors of :func:`check_scales`.
    """
    check_subnormals(w_codes.device)
    check_scales(w_scales, a_scales, scale)
    blocks = _blocks_per_cycle(w_scales)
    check_blocks(weight, activation, w_codes.shape[-1] // blocks, scale, clear=clear, last=last)
    sums = dot(_each_block(w_codes, blocks), _each_block(a_codes, blocks), weight, activation)
    clear = _first_of_each(clear, blocks)  # (T * B,), as are sums
    if w_scales is not None and a_scales is not None:
        w_scales, a_scales = w_scales.reshape(-1), a_scales.reshape(-1)
    if last is None:
        last = torch.ones_like(clear)
    else:
        begins = clear | torch.cat((last.new_ones(1), last[:-1]))
        sums = sums_since(sums, begins)
    values = block_values(
        sums, w_scales, a_scales, quantum=weight.quantum * activation.quantum, scale=scale
    )
    return _by_segments(values, clear, last, initial)[blocks - 1 :: blocks]


def _blocks_per_cycle(scales: Tensor | None) -> int:
    """The number of blocks in a cycle, from the shape of their scales."""
    return 1 if scales is None or scales.ndim == 1 else scales.shape[1]


def _each_block(codes: Tensor, blocks: int) -> Tensor:
    """Reshape codes, (T, lanes), to one row for each block: (T * B, lanes / B)."""
    return codes.reshape(len(codes) * blocks, codes.shape[1] // blocks)


def _first_of_each(clear: Tensor, blocks: int) -> Tensor:
    """Spread ``clear``, (T,), to blocks, (T * B,): only the first block of a cycle gets it."""
    spread = clear.new_zeros((len(clear), blocks))
    spread[:, 0] = clear
    return spread.reshape(-1)


def check_block_bits(
    weight: Format, activation: Format, block: int, scale: ScaleCode | None
) -> None:
    """Raise UserError if the value of a block may need more bits than the 53 that FP64 holds."""
    significand = scale.largest_significand if scale else 1
    largest = max(map(abs, product_extremes(weight, activation)))
    bits = (block * largest * significand**2).bit_length()
    if bits > FP64_BITS:
        raise UserError(
            f"The value of a block may have at most {FP64_BITS} significant bits, not {bits}: use "
            "smaller blocks or a narrower format"
        )


def check_blocks(
    weight: Format,
    activation: Format,
    lanes: int,
    scale: ScaleCode | None,
    *,
    clear: Tensor,
    last: Tensor | None,
) -> None:
    """Raise the error of :func:`check_block_bits` for the longest block of a stream.

    A block has ``lanes`` products in each of its cycles. clear, last: (..., T) bool, as for
    :func:`fp32_stream`. Without ``last``, a block takes one cycle. A block that the stream does not
    end is not counted.
    """
    cycles = 1
    if last is not None and last.numel():
        numbers = torch.arange(last.shape[-1], device=last.device)
        begins = clear.clone()
        begins[..., 0] = True
        begins[..., 1:] |= last[..., :-1]
        first = torch.where(begins, numbers, 0).cummax(-1).values  # cycle in which the block begins
        cycles = max(1, int(torch.where(last, numbers - first + 1, 0).max()))
    check_block_bits(weight, activation, lanes * cycles, scale)


def check_scales(w_scales: Tensor | None, a_scales: Tensor | None, scale: ScaleCode | None) -> None:
    """Raise TypeError unless both scales of a stream are given, or neither if ``scale`` is None."""
    given = sum(each is not None for each in (w_scales, a_scales))
    if given != (2 if scale else 0):
        needed = "with a scale format needs 2" if scale else "without a scale format needs 0"
        raise TypeError(f"A stream {needed} tensors of scale codes, not {given}")


def power_of_two(weight: Format, activation: Format) -> int:
    """The exponent of 2 in the prime factorization of the product of both quanta."""
    quantum = weight.quantum * activation.quantum
    return _twos(quantum.numerator) - _twos(quantum.denominator)


def block_values(
    sums: Tensor,
    w_scales: Tensor | None,
    a_scales: Tensor | None,
    *,
    quantum: Fraction,
    scale: ScaleCode | None,
) -> Tensor:
    """Exact values of blocks, scales included; float64 of the shape of ``sums``.

    sums: int64, the exact sums of the products. w_scales, a_scales: uint8, codes of ``scale``, of
    the same shape. ``quantum`` is the unit of the sums. The values include the power of two in it,
    but no other factor, such as 1/127. A block with a NaN scale has the value NaN.
    """
    exponent = _twos(quantum.numerator) - _twos(quantum.denominator)
    values = sums.to(torch.float64) * 2.0**exponent
    if scale is not None:
        assert w_scales is not None and a_scales is not None  # noqa: S101
        table = _scale_table(scale).to(values.device)
        values = values * (table[w_scales.long()] * table[a_scales.long()])
    return values + 0.0  # a negative sum times a zero scale gives -0; this makes it +0


@cache
def _scale_table(scale: ScaleCode) -> Tensor:
    """A table of scales by code: (2^bits,) float64. Callers must not write to it."""
    values = [float("nan") if value is None else float(value) for value in scale.values]
    return torch.tensor(values, dtype=torch.float64, device="cpu")


def _twos(number: int) -> int:
    """The exponent of the largest power of two that divides ``number``, which is not 0."""
    return (number & -number).bit_length() - 1


def _by_segments(values: Tensor, clear: Tensor, last: Tensor, initial: float) -> Tensor:
    """The running sums, (T,) float32; all stretches between two clears are computed in parallel."""
    if not len(values):
        return values.to(torch.float32)
    starts = clear.clone()
    starts[0] = True
    segment = starts.cumsum(0) - 1  # (T,)
    begins = starts.nonzero()[:, 0]  # (segments,)
    position = torch.arange(len(values), device=values.device) - begins[segment]
    shape = (int(segment[-1]) + 1, int(position.max()) + 1)
    addends = values.new_zeros(shape)
    adds = last.new_zeros(shape)
    addends[segment, position], adds[segment, position] = values, last
    acc = torch.zeros(shape[0], dtype=torch.float32, device=values.device)
    if not clear[0]:
        acc[0] = initial
    seen = torch.empty(shape, dtype=torch.float32, device=values.device)
    for step in range(shape[1]):
        acc = torch.where(adds[:, step], add_rounded_once(acc, addends[:, step]), acc)
        seen[:, step] = acc
    return seen[segment, position]


def add_rounded_once(acc: Tensor, values: Tensor) -> Tensor:
    """``acc + values``, rounded once to FP32, to nearest, ties to even; every NaN is 7FC00000.

    acc: float32. values: float64, of the same shape.
    """
    one = acc.to(torch.float64)
    total = one + values
    # Knuth's TwoSum gives the exact error of the sum. If an inexact sum has last bit 0, its
    # neighbour on the side of the exact sum replaces it. That neighbour has last bit 1.
    back = total - one
    error = (one - (total - back)) + (values - back)
    is_even = total.view(torch.int64) & 1 == 0
    towards = torch.where(error > 0, torch.inf, -torch.inf)
    odd = torch.where((error != 0) & is_even, torch.nextafter(total, towards), total)
    rounded = torch.where(total.isfinite(), odd, total).to(torch.float32)
    quiet = torch.tensor(QUIET_NAN, dtype=torch.int32, device=acc.device).view(torch.float32)
    return torch.where(rounded.isnan(), quiet, rounded)


def exact_stream(
    w_codes: Tensor,
    a_codes: Tensor,
    clear: Tensor,
    w_scales: Tensor,
    a_scales: Tensor,
    *,
    weight: Format,
    activation: Format,
    scale: ScaleCode,
    acc_width: int,
    window: tuple[int, int] | None = None,
) -> tuple[Tensor, Tensor]:
    """The exact accumulator after each cycle, (T,) int64, and whether it is NaN, (T,) bool.

    The operands are those of :func:`fp32_stream`. :func:`halfbyte.golden.dot_scalar.exact_step`
    defines the units, the window and NaN. The accumulator starts at 0.
    """
    blocks = _blocks_per_cycle(w_scales)
    sums = dot(_each_block(w_codes, blocks), _each_block(a_codes, blocks), weight, activation)
    terms, outside = exact_terms(
        sums, w_scales.reshape(-1), a_scales.reshape(-1), scale=scale, window=window
    )
    clear = _first_of_each(clear, blocks)
    acc = accumulate(terms, clear, acc_width=acc_width)[blocks - 1 :: blocks]
    return acc, sums_since(outside.long(), clear)[blocks - 1 :: blocks] > 0


def exact_terms(
    sums: Tensor,
    w_scales: Tensor,
    a_scales: Tensor,
    *,
    scale: ScaleCode,
    window: tuple[int, int] | None,
) -> tuple[Tensor, Tensor]:
    """What an exact accumulator adds (int64, modulo 2^64), and where it becomes NaN (bool).

    sums: int64, the exact sums of the products. w_scales, a_scales: uint8, of the same shape.
    """
    significands, places = (table.to(sums.device) for table in scale_parts(scale))
    w, a = w_scales.long(), a_scales.long()
    place = places[w] + places[a]
    outside = (w == scale.nan_code) | (a == scale.nan_code)
    lowest = 2 * scale.quantum_exponent
    if window is not None:
        lowest = window[0]
        outside |= (place < window[0]) | (place > window[1])
    up = place - lowest
    terms = sums * significands[w] * significands[a] << up.clamp(0, INT64_BITS - 1)
    return torch.where(outside | (up >= INT64_BITS), 0, terms), outside


@cache
def scale_parts(scale: ScaleCode) -> tuple[Tensor, Tensor]:
    """Two tables by code, m and e, (2^bits,) int64 each: the scale is ``m * 2**e``.

    The entries at the code of NaN have no meaning. Callers must not write to the tables.
    """
    codes = torch.arange(2**scale.bits, device="cpu")
    field, mantissa = codes >> scale.mantissa_bits, codes & (1 << scale.mantissa_bits) - 1
    if not scale.has_subnormals:
        return torch.ones_like(codes), field + scale.quantum_exponent
    hidden = (field > 0).long()
    return mantissa + (hidden << scale.mantissa_bits), field - hidden + scale.quantum_exponent
