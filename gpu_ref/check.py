"""Compares kernels with the golden model (:mod:`halfbyte.golden`), bit by bit.

These are the kernels for quantizing, MACs and products; :mod:`.unit_check` compares those of
dot-product units.
"""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor

from halfbyte.base import UserError
from halfbyte.formats import Format, Overflow
from halfbyte.golden import Quantized, gemm
from halfbyte.golden import encode as golden_encode
from halfbyte.golden import mac_stream as golden_mac_stream
from halfbyte.golden import quantize as golden_quantize
from halfbyte.golden.scales import ScaleFormat, block_scales
from halfbyte.gpu_ref import cases
from halfbyte.gpu_ref.cases import Shape
from halfbyte.gpu_ref.comparison import Comparison
from halfbyte.gpu_ref.library import library_for
from halfbyte.gpu_ref.mac import mac_stream
from halfbyte.gpu_ref.multiply import EMULATED, alternatives, applicable_kernels, matmul
from halfbyte.gpu_ref.packed import Packed
from halfbyte.gpu_ref.quantizer import absmax, encode, quantize, scales_of

__all__ = ["check_format", "check_tiles"]

DTYPES = (torch.float32, torch.float16, torch.bfloat16)
# Standard deviations of the inputs. The last two give tiny and huge scales, but finite sums.
SPREADS = (1.0, 2.0**-70, 2.0**50)


def _elementwise(fmt: Format, device: torch.device) -> Iterator[Comparison]:
    """Check encode, the scales of every rule, and dequantize."""
    codec = Comparison("encode", fmt.name, fmt.name)
    x = cases.near_thresholds(fmt)
    codec.add(encode(x.to(device), fmt), golden_encode(x, fmt), "codes")
    yield codec

    scales = Comparison("scales", fmt.name, fmt.name)
    for rule in ScaleFormat:
        maxima = cases.absmax_near_thresholds(fmt, rule)
        for clip in (1.0, 0.7):
            seen = scales_of(maxima.to(device), fmt, rule, clip=clip)
            scales.add(seen, block_scales(maxima, fmt, rule, clip), f"{rule.value}, clip {clip}")
    yield scales

    values = Comparison("dequantize", fmt.name, fmt.name)
    codes = torch.arange(2**fmt.bits, dtype=torch.uint8).expand(8, -1).contiguous()
    tiny = 2.0**-149
    steps = torch.tensor([1.0, 0.3, tiny, 3e-45, 1e-38, 1e-20, 1e20, 1e30]).unsqueeze(1)
    mirrored = torch.tensor([False, True] * 4).unsqueeze(1)
    golden = Quantized(codes, steps, fmt, 2**fmt.bits, mirrored)
    packed = Packed.from_golden(golden).to(device)
    values.add(packed.dequantize(), golden.dequantize(), "values")
    values.add(packed.unpacked(), codes, "codes")
    yield values


def _quantizers(fmt: Format, shapes: Sequence[Shape], device: torch.device) -> Iterator[Comparison]:
    """Check the absolute maxima of blocks, and both quantizers.

    The cases cover every type of block scales and every element type.
    """
    largest = Comparison("absmax", fmt.name, fmt.name)
    kernels = {name: Comparison(f"quantize {name}", fmt.name, fmt.name) for name in _QUANTIZERS}
    for number, shape in enumerate(shapes):
        rule = list(ScaleFormat)[number % len(ScaleFormat)]
        for dtype, spread in zip(DTYPES, (SPREADS[number % 3], 1.0, 1.0), strict=True):
            x = cases.matrix(shape.m, shape.k, shape.block, seed=number, spread=spread).to(dtype)
            what = f"{tuple(x.shape)} {dtype} in blocks of {shape.block}, {rule.value}"
            _absmax_of(largest, x, shape.block, device, what)
            expected = golden_quantize(x, fmt, block=shape.block, scale_format=rule, clip=0.9)
            for name, comparison in kernels.items():
                try:
                    seen = quantize(
                        x.to(device),
                        fmt,
                        block=shape.block,
                        scale_format=rule,
                        clip=0.9,
                        kernel=name,
                    )
                except UserError:
                    continue  # kernel "spans" does not take all shapes; kernel "units" does
                comparison.add(seen.unpacked(), expected.codes, f"codes of {what}")
                comparison.add(seen.scales, expected.scales, f"scales of {what}")
    yield from (largest, *kernels.values())


_QUANTIZERS = ("units", "spans")


def _absmax_of(
    comparison: Comparison, x: Tensor, block: int, device: torch.device, what: str
) -> None:
    """Compare the kernel's absolute maxima of blocks with PyTorch's."""
    seen = absmax(x.to(device), block=block)
    blocks = torch.split(x.float().abs(), block, dim=-1)
    expected = [part.amax(dim=-1, keepdim=True) for part in blocks if part.shape[-1]]
    if expected:
        comparison.add(seen, torch.cat(expected, dim=-1), what)


def _streams(weight: Format, activation: Format, device: torch.device) -> Iterator[Comparison]:
    """Check accumulators that wrap and saturate, with and without enable."""
    comparison = Comparison("mac_stream", weight.name, activation.name)
    w, a, clear, enable = cases.mac_columns(weight, activation)
    columns = [column.to(device) for column in (w, a, clear)]
    options = {"weight": weight, "activation": activation}
    for width in cases.mac_widths(weight, activation):
        for overflow in Overflow:
            rule: Any = {**options, "acc_width": width, "overflow": overflow}
            free = mac_stream(*columns, **rule)
            paused = mac_stream(*columns, enable=enable.to(device), **rule)
            for stream in range(len(w)):
                what = f"{width} bits, {overflow.value}, stream {stream}"
                row = (w[stream], a[stream], clear[stream])
                comparison.add(free[stream], golden_mac_stream(*row, **rule), what)
                on = enable[stream]
                taken = golden_mac_stream(*(column[on] for column in row), **rule)
                held = taken[on.cumsum(0) - 1]
                comparison.add(paused[stream], held, f"{what}, with enable")
    yield comparison


def _products(
    weight: Format,
    activation: Format,
    shapes: Sequence[Shape],
    device: torch.device,
    tiles: Sequence[str] | None = None,
) -> Iterator[Comparison]:
    """Check every GEMM kernel that is exact for a shape, or only ``tiles``.

    ``tiles`` are variants of the tensor-core kernel ``mma``, checked where ``mma`` is exact.
    """
    kind = library_for(device).kind
    found: dict[str, Comparison] = {}
    for number, shape in enumerate(shapes):
        spread = SPREADS[number % 3]
        a = _operand(shape.m, shape, activation, seed=number, spread=spread)
        # The inverse spread, so that products of scales stay within FP32.
        w = _operand(shape.n, shape, weight, seed=number + 100, spread=1 / spread)
        expected = gemm(a, w)
        packed = [Packed.from_golden(operand).to(device) for operand in (a, w)]
        block, sizes = packed[0].kernel_block, {"rows": shape.m, "length": shape.k}
        fitting = applicable_kernels(kind, activation, weight, block, **sizes)
        for name in fitting if tiles is None else tiles if "mma" in fitting else ():
            emulated = kind == "host" and name in EMULATED
            label = f"gemm {name}{' (emulated)' if emulated else ''}"
            comparison = found.setdefault(label, Comparison(label, weight.name, activation.name))
            comparison.add(matmul(*packed, kernel=name), expected, str(shape))
    yield from found.values()


def _operand(rows: int, shape: Shape, fmt: Format, *, seed: int, spread: float) -> Quantized:
    """A quantized random matrix in which every other block is mirrored (negated)."""
    x = cases.matrix(rows, shape.k, shape.block, seed=seed, spread=spread)
    operand = golden_quantize(x, fmt, block=shape.block)
    mirrored = torch.zeros_like(operand.scales, dtype=torch.bool)
    mirrored[..., ::2] = True
    return Quantized(operand.codes, operand.scales, fmt, operand.block, mirrored)


def _refusals(fmt: Format, device: torch.device) -> Iterator[Comparison]:
    """Check that NaN, infinities and results beyond FP32 give the golden model's messages."""
    comparison = Comparison("errors", fmt.name, fmt.name)
    for poison in (torch.nan, torch.inf, -torch.inf):
        for block in (3, 32):
            x = torch.ones(4, 64)
            x[1, 5] = poison
            seen = _message(partial(quantize, x.to(device), fmt, block=block))
            expected = _message(partial(golden_quantize, x, fmt, block=block))
            same = torch.tensor([seen == expected and seen != ""])
            comparison.add(same, torch.tensor([True]), f"{poison}: {seen!r}, not {expected!r}")
    huge = Quantized(
        torch.full((2, 2), fmt.sorted_codes[-1], dtype=torch.uint8),
        torch.full((2, 1), 3e38),
        fmt,
        2,
    )
    packed = Packed.from_golden(huge).to(device)
    seen, expected = _message(partial(matmul, packed, packed)), _message(partial(gemm, huge, huge))
    same = torch.tensor([seen == expected and seen != ""])
    comparison.add(same, torch.tensor([True]), f"overflow: {seen!r}, not {expected!r}")
    yield comparison


def _message(function: Callable[[], object]) -> str:
    """The message of the ValueError that ``function`` raises; empty if it raises none."""
    try:
        function()
    except ValueError as error:
        return str(error)
    return ""


def check_format(
    weight: Format,
    device: torch.device,
    *,
    activation: Format | None = None,
    shapes: Sequence[Shape] = (*cases.SHAPES, cases.LARGE_SHAPE),
) -> list[Comparison]:
    """Compare the kernels for quantizing, MACs and products with the golden model.

    The kernels run on ``device``, for one pair of formats; ``activation`` is ``weight`` by default.
    Quantizers and products are checked with all ``shapes``. Returns one comparison for each kernel.
    """
    other = activation or weight
    return [
        *_elementwise(weight, device),
        *_quantizers(weight, shapes, device),
        *_streams(weight, other, device),
        *_products(weight, other, shapes, device),
        *_refusals(weight, device),
    ]


def check_tiles(
    fmt: Format, device: torch.device, *, shapes: Sequence[Shape] = cases.SHAPES
) -> list[Comparison]:
    """Compare the tensor-core kernels of other tile sizes with the golden model.

    A tile is the part of the result that one thread block computes. ``auto`` never chooses these
    kernels; ``gpu-bench --sweep`` times them. They are not part of :func:`check_format`, so that a
    crash in them does not end the checks of the other kernels.
    """
    return list(_products(fmt, fmt, shapes, device, alternatives(device)))
