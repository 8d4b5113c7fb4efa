"""Compares the kernels of dot-product units with the golden model, bit for bit."""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor

from halfbyte.base import UserError
from halfbyte.formats import SCALE_CODES, Format, Overflow, ScaleCode, lossless_acc_width
from halfbyte.golden import dot_blackwell as golden_blackwell
from halfbyte.golden import dot_unit as golden_streams
from halfbyte.golden import unit_gemm as golden
from halfbyte.gpu_ref import dot_unit, unit_gemm
from halfbyte.gpu_ref.cases import Shape
from halfbyte.gpu_ref.comparison import Comparison
from halfbyte.gpu_ref.unit_cases import (
    SCALE_KINDS,
    UNIT_SHAPES,
    codes_of,
    cycles_of,
    scales_of,
)

__all__ = ["check_units"]

LANES, BLOCKS = 5, 3  # lanes of a unit; blocks that a unit takes in a cycle
# Exact accumulators: type of the scales, window of exponents (see dot_unit.unit), width in bits.
_EXACT = (
    ("e4m3", None, 56),
    ("e8m0", (-6, 9), 40),
    ("ue5m3", (-20, 0), 24),
    ("e8m0", (-90, 20), 64),
)
_Result = Tensor | tuple[Tensor, Tensor]


def check_units(
    weight: Format,
    device: torch.device,
    *,
    activation: Format | None = None,
    shapes: Sequence[Shape] = UNIT_SHAPES,
) -> list[Comparison]:
    """Compare every kind of accumulator on ``device`` with the golden model, for a pair of formats.

    Cases that the golden model refuses, such as formats with too many bits, are left out.
    """
    other = activation or weight
    formats = {"weight": weight, "activation": other}
    found: dict[str, Comparison] = {}
    for name, what, kernel, reference, operands in (
        *_products(formats, shapes),
        *_streams(formats),
    ):
        try:
            expected = reference(*operands)
        except UserError:
            continue
        seen = kernel(*[each if each is None else each.to(device) for each in operands])
        comparison = found.setdefault(name, Comparison(name, weight.name, other.name))
        for one, right in zip(_tensors(seen), _tensors(expected), strict=True):
            comparison.add(one, right, what)
    return list(found.values())


# A case: the name of its comparison, a description, the kernel, the golden function, and the
# operands of both.
_Case = tuple[str, str, Callable[..., _Result], Callable[..., _Result], tuple[Tensor | None, ...]]


def _tensors(result: _Result) -> tuple[Tensor, ...]:
    return result if isinstance(result, tuple) else (result,)


def _products(formats: dict[str, Format], shapes: Sequence[Shape]) -> Iterator[_Case]:
    """Cases of matrix products, with every kind of accumulator."""
    for number, shape in enumerate(shapes):
        generator = torch.Generator().manual_seed(number)
        codes = (
            codes_of(generator, formats["activation"], shape.m, shape.k),
            codes_of(generator, formats["weight"], shape.n, shape.k),
        )
        options: dict[str, Any] = {**formats, "block": shape.block}
        for width, overflow in _widths(formats, shape):
            rule = {**options, "acc_width": width, "overflow": overflow}
            yield _pair("integer_gemm", golden, codes, rule, f"{shape}, {width} bits, {overflow}")
        yield _pair("unit_gemm", golden, codes, {**options, "scale": None}, f"{shape}, no scales")
        for kind in SCALE_KINDS:
            for scale in SCALE_CODES.values():
                operands = (*codes, *_scales(generator, scale, kind, shape))
                rule, what = {**options, "scale": scale}, f"{shape}, {scale.name}, {kind}"
                yield _pair("unit_gemm", golden, operands, rule, what)
                yield _pair("blackwell_gemm", golden_blackwell, operands, rule, what)
                for name, window, width in _EXACT:
                    if name == scale.name:
                        exact = {**rule, "window": window, "acc_width": width}
                        yield _pair("exact_gemm", golden, operands, exact, f"{what}, {width} bits")


def _scales(
    generator: torch.Generator, scale: ScaleCode, kind: str, shape: Shape
) -> tuple[Tensor, Tensor]:
    """Scales of the activations and of the weights, drawn independently."""
    blocks = -(-shape.k // shape.block)
    return (
        scales_of(generator, scale, kind, shape.m, blocks)[0],
        scales_of(generator, scale, kind, shape.n, blocks)[1],
    )


_NAMES = {
    "integer_gemm": "unit integer",
    "unit_gemm": "unit fp32",
    "exact_gemm": "unit exact",
    "blackwell_gemm": "unit blackwell (published model, not verified by us)",
}


def _pair(
    function: str,
    module: Any,
    operands: tuple[Tensor | None, ...],
    options: dict[str, Any],
    what: str,
) -> _Case:
    """A case of a product: kernel and golden function have the same name and options."""
    kernel = partial(getattr(unit_gemm, function), **options)
    return _NAMES[function], what, kernel, partial(getattr(module, function), **options), operands


def _widths(formats: dict[str, Format], shape: Shape) -> Iterator[tuple[int, Overflow]]:
    """Widths to test (the least lossless one, one bit less, 2 and 64), with each Overflow."""
    lossless = lossless_acc_width(**formats, terms=max(1, shape.k))
    for width in {lossless, max(2, lossless - 1), 2, 64}:
        for overflow in Overflow:
            yield width, overflow


def _streams(formats: dict[str, Format]) -> Iterator[_Case]:
    """Cases of streams of cycles, with clears and ends of blocks."""
    for scale in SCALE_CODES.values():
        for cycles in cycles_of(**formats, scale=scale, lanes=LANES, seed=7):
            base = (cycles.w, cycles.a, cycles.clear)
            scaled = (*base, *cycles.scales)
            fp32 = {**formats, "scale": scale}
            yield _stream("fp32_stream", (*scaled, cycles.last), fp32, scale.name)
            yield _stream("fp32_stream", scaled, fp32, scale.name)
            several = cycles.folded(BLOCKS)
            yield _stream("fp32_stream", several, fp32, f"{scale.name}, {BLOCKS} blocks a cycle")
            yield _stream("fp32_stream", base, {**formats, "initial": -1.5}, "no scales")
            for name, window, width in _EXACT:
                if name == scale.name:
                    exact = {**fp32, "window": window, "acc_width": width}
                    yield _stream("exact_stream", scaled, exact, f"{name}, {width} bits")
                    yield _stream(
                        "exact_stream", several, exact, f"{name}, {BLOCKS} blocks a cycle"
                    )
    for overflow in Overflow:
        rule = {**formats, "acc_width": 9, "overflow": overflow, "initial": -3}
        yield _stream("integer_stream", base, rule, overflow.value)


def _stream(
    function: str, operands: tuple[Tensor | None, ...], options: dict[str, Any], what: str
) -> _Case:
    """A case of a stream: kernel and golden function have the same name and options."""
    kernel, reference = (getattr(module, function) for module in (dot_unit, golden_streams))
    name = f"unit {function.removesuffix('_stream')} stream"
    return name, what, partial(kernel, **options), partial(reference, **options), operands
