"""Simulates dot-product units with the kernels, cycle by cycle like the RTL.

A dot-product unit multiplies several pairs of codes in a cycle, one in each lane, and adds the sum
of the products to its accumulator. ``integer_stream``, ``fp32_stream`` and ``exact_stream`` return
the same numbers as the functions of these names in :mod:`halfbyte.golden.dot_unit`.
"""

import struct
from typing import Any

import torch
from torch import Tensor

from halfbyte.formats import Format, Overflow, ScaleCode, check_acc_width
from halfbyte.golden.checks import check_codes, check_integer
from halfbyte.golden.dot_unit import check_block_bits, check_blocks, check_scales
from halfbyte.gpu_ref.build import format_table
from halfbyte.gpu_ref.library import library_for
from halfbyte.gpu_ref.structures import ScaleFormat, Unit, UnitStream

__all__ = ["exact_stream", "exact_unit", "fp32_stream", "fp32_unit", "integer_stream", "unit"]

# Kinds of accumulators, numbered as in dot_unit.h.
INTEGER, FP32, EXACT, BLACKWELL = range(4)
_OVERFLOWS = {Overflow.WRAP: 0, Overflow.SATURATE: 1}
WIDEST = 64  # bits of an accumulator


def unit(
    accumulator: int,
    weight: Format,
    activation: Format,
    *,
    scale: ScaleCode | None = None,
    acc_width: int = WIDEST,
    overflow: Overflow = Overflow.WRAP,
    window: tuple[int, int] | None = None,
) -> Unit:
    """The structure that tells the kernels how a unit accumulates.

    ``accumulator`` is INTEGER, FP32, EXACT or BLACKWELL. ``window`` is for exact accumulators: the
    lowest and the highest exponent that the last bit of the product of two scales may have. The
    default window allows the products of all scales. Raises TypeError if ``overflow`` is not an
    Overflow or ``acc_width`` not an integer, UserError if ``acc_width`` is not 2 to 64.
    """
    check_acc_width(acc_width)
    if not isinstance(overflow, Overflow):
        raise TypeError(f"overflow must be an Overflow, not {overflow!r}")
    stored = ScaleFormat()
    if scale is not None:
        stored = ScaleFormat(scale.bits, scale.mantissa_bits, scale.quantum_exponent)
        lowest = 2 * scale.quantum_exponent
        window = window or (lowest, lowest + 2 * scale.highest_shift)
    low, high = window or (0, 0)
    exponent = _exponent(weight) + _exponent(activation)
    return Unit(accumulator, acc_width, _OVERFLOWS[overflow], exponent, low, high, stored)


def _exponent(fmt: Format) -> int:
    """The exponent of the power of two in the quantum: -3 for 3/8."""
    numerator, denominator = fmt.quantum.as_integer_ratio()
    even = numerator & -numerator, denominator & -denominator
    return even[0].bit_length() - even[1].bit_length()


def fp32_unit(weight: Format, activation: Format, scale: ScaleCode | None, block: int) -> Unit:
    """A unit with an FP32 accumulator.

    Raises UserError if the value of a block, scales included, may need more than 53 bits.
    """
    check_block_bits(weight, activation, block, scale)
    return unit(FP32, weight, activation, scale=scale)


def exact_unit(
    weight: Format,
    activation: Format,
    scale: ScaleCode,
    acc_width: int,
    window: tuple[int, int] | None,
) -> Unit:
    """A unit with an exact accumulator: fixed point of ``acc_width`` bits."""
    return unit(EXACT, weight, activation, scale=scale, acc_width=acc_width, window=window)


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
    """The integer accumulator after each cycle; (T,) or (S, T) int64 for S units side by side.

    w_codes, a_codes: (T, lanes) or (S, T, lanes) uint8. clear: (T,) or (S, T) bool; true starts a
    new sum. initial: the accumulator before the first cycle. The result is in units of
    ``weight.quantum * activation.quantum``.
    """
    kind = unit(INTEGER, weight, activation, acc_width=acc_width, overflow=overflow)
    half = 1 << acc_width - 1
    check_integer("initial", initial, -half, half - 1)
    columns = _columns(weight, activation, w_codes, a_codes, clear)
    return _run(kind, weight, activation, columns, initial=initial)[0]


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
    """The FP32 accumulator after each cycle; (T,) or (S, T) float32.

    The codes and ``clear`` are those of :func:`integer_stream`. w_scales, a_scales: uint8 codes of
    ``scale``, of the shape of ``clear``. If a cycle takes B blocks, scales have one more dimension:
    (T, B) or (S, T, B), and ``last`` must not be given. last: bool, of the shape of ``clear``; true
    in the last cycle of a block. By default every cycle ends a block.

    Raises UserError if the value of a block, scales included, may need more than 53 bits, and
    TypeError if scales are missing or not expected.
    """
    columns = _columns(weight, activation, w_codes, a_codes, clear, w_scales, a_scales, last)
    check_scales(w_scales, a_scales, scale)
    lanes = w_codes.shape[-1] // _blocks(clear, w_scales)
    check_blocks(weight, activation, lanes, scale, clear=clear, last=last)
    (bits,) = struct.unpack("<i", struct.pack("<f", initial))
    kind = unit(FP32, weight, activation, scale=scale)
    acc, _ = _run(kind, weight, activation, columns, initial=bits)
    return acc.to(torch.int32).view(torch.float32)


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
    """The exact accumulator after each cycle, int64, and whether it is NaN, bool; (T,) or (S, T).

    The operands are those of :func:`fp32_stream`, without ``last``.
    """
    kind = exact_unit(weight, activation, scale, acc_width, window)
    columns = _columns(weight, activation, w_codes, a_codes, clear, w_scales, a_scales)
    check_scales(w_scales, a_scales, scale)
    return _run(kind, weight, activation, columns)


_Columns = dict[str, Tensor | None]


def _columns(
    weight: Format,
    activation: Format,
    w_codes: Tensor,
    a_codes: Tensor,
    clear: Tensor,
    w_scales: Tensor | None = None,
    a_scales: Tensor | None = None,
    last: Tensor | None = None,
) -> _Columns:
    """Check the inputs of a stream; return them by the names of the fields of ``UnitStream``."""
    columns: _Columns = {
        "w": check_codes(w_codes, weight),
        "a": check_codes(a_codes, activation),
        "clear": clear,
        "last": last,
        "w_scales": w_scales,
        "a_scales": a_scales,
    }
    _check_columns(columns)
    return columns


def _run(
    kind: Unit, weight: Format, activation: Format, columns: _Columns, initial: int = 0
) -> tuple[Tensor, Tensor]:
    """The accumulators after each cycle, int64, and whether each is NaN, bool; shaped as clear."""
    w_codes, clear = columns["w"], columns["clear"]
    assert w_codes is not None and clear is not None  # noqa: S101
    device, shape = w_codes.device, clear.shape
    acc = torch.empty(shape, dtype=torch.int64, device=device)
    is_nan = torch.empty(shape, dtype=torch.bool, device=device)
    if acc.numel():
        kept = {name: each if each is None else each.contiguous() for name, each in columns.items()}
        pointers: dict[str, Any] = {
            name: each if each is None else each.data_ptr() for name, each in kept.items()
        }
        call = UnitStream(
            **pointers,
            initial=initial,
            acc=acc.data_ptr(),
            is_nan=is_nan.data_ptr(),
            streams=acc.numel() // shape[-1],
            cycles=shape[-1],
            lanes=w_codes.shape[-1],
            blocks=_blocks(clear, columns["w_scales"]),
        )
        tables = format_table(weight), format_table(activation)
        library_for(device).call("hb_unit_stream", device, *tables, kind, call)
    return acc, is_nan


def _blocks(clear: Tensor, scales: Tensor | None) -> int:
    """How many blocks a cycle takes, from the shape of their scales; at least 1."""
    is_several = scales is not None and scales.ndim == clear.ndim + 1
    return max(1, scales.shape[-1]) if scales is not None and is_several else 1


def _check_columns(columns: _Columns) -> None:
    """Raise TypeError or ValueError for columns of wrong types or shapes."""
    w, a, clear = columns["w"], columns["a"], columns["clear"]
    assert w is not None and a is not None  # noqa: S101
    for name, dtype in (
        ("clear", torch.bool),
        ("last", torch.bool),
        ("w_scales", torch.uint8),
        ("a_scales", torch.uint8),
    ):
        each = columns[name]
        if each is not None and (not isinstance(each, Tensor) or each.dtype != dtype):
            kind = each.dtype if isinstance(each, Tensor) else type(each).__name__
            raise TypeError(f"{name} must be a {dtype} tensor, not {kind}")
    if (columns["w_scales"] is None) != (columns["a_scales"] is None):
        raise TypeError("A stream needs both w_scales and a_scales, or neither, not one of them")
    given = {name: each for name, each in columns.items() if each is not None}
    expected = {name: tuple(w.shape[:-1]) for name in given.keys() - {"w", "a"}}
    blocks = 1 if clear is None else _blocks(clear, columns["w_scales"])
    for name in ("w_scales", "a_scales"):
        if name in given and given[name].ndim == w.ndim:
            expected[name] = (*w.shape[:-1], blocks)
    devices = {each.device for each in given.values()}
    if (
        clear is None
        or any(tuple(given[name].shape) != shape for name, shape in expected.items())
        or w.shape[-1] % blocks
        or (blocks > 1 and "last" in given)
        or w.shape != a.shape
        or w.ndim not in (2, 3)
        or len(devices) != 1
    ):
        shapes = {name: tuple(each.shape) for name, each in given.items()}
        raise ValueError(
            "A stream needs codes (T, lanes) or (S, T, lanes), and clear, last and scales (T,) or "
            "(S, T), on one device. Scales of B blocks a cycle have a last dimension B, which "
            "divides the lanes; then last must not be given. The shapes are "
            f"{shapes}, on {sorted(map(str, devices))}"
        )
