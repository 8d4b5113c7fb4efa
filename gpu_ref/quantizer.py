"""Quantizes tensors in blocks with the kernels, on the CPU or a GPU."""

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from halfbyte.base import UserError
from halfbyte.formats import MAX_TERMS, Format, load
from halfbyte.golden.checks import check_finite, check_float, check_format, check_integer
from halfbyte.golden.quantizer import DEFAULT_BLOCK, check_clip
from halfbyte.golden.scales import ScaleFormat
from halfbyte.gpu_ref.build import format_table
from halfbyte.gpu_ref.library import Library, library_for
from halfbyte.gpu_ref.packed import Packed, row_bytes
from halfbyte.gpu_ref.structures import Quantize

__all__ = ["QUANTIZE_KERNELS", "absmax", "encode", "quantize", "scales_of"]

# The numbers of ElementType in quantize.h, ScaleRule in arithmetic.h, QuantizeKernel in api.h.
_ELEMENTS = {torch.float32: 0, torch.float16: 1, torch.bfloat16: 2}
_RULES = {
    ScaleFormat.FP32: 0,
    ScaleFormat.FP16: 1,
    ScaleFormat.BF16: 2,
    ScaleFormat.E8M0_FLOOR: 3,
    ScaleFormat.E8M0_UP: 4,
    ScaleFormat.E4M3: 5,
    ScaleFormat.E8M0_CEIL: 6,
    ScaleFormat.E8M0_NEAREST: 7,
    ScaleFormat.E8M0_RCEIL: 8,
    ScaleFormat.E4M3_MODELOPT: 9,
    ScaleFormat.UE5M3: 10,
}
QUANTIZE_KERNELS = {"units": 0, "spans": 1}


def resolve_format(fmt: Format | str | Path) -> Format:
    """A format: ``fmt`` itself, or the one with this name or file."""
    return load(fmt) if isinstance(fmt, (str, Path)) else check_format(fmt)


def _element(x: Tensor) -> Tensor:
    """``x`` contiguous, in a type that the kernels read; other types are converted to FP32."""
    return (x if x.dtype in _ELEMENTS else x.to(torch.float32)).detach().contiguous()


@dataclass
class _Refusals:
    """Counts of NaN, infinities and scales beyond FP32, in the order of Refusals in quantize.h."""

    counters: Tensor

    def check(self, fmt: Format, count: int) -> None:
        """Raise the golden model's error if any of ``count`` numbers cannot be quantized."""
        nans, infinities, scales = self.counters.tolist()
        check_finite(nans, infinities, count)
        if scales:
            raise UserError(
                f"{fmt.name}: a block scale exceeds FP32, since the format's largest value is only "
                f"{float(fmt.max_value):.3g}; rescale the values"
            )


def _new_refusals(device: torch.device) -> _Refusals:
    return _Refusals(torch.zeros(3, dtype=torch.int64, device=device))


def _call(x: Tensor, block: int) -> Quantize:
    """The kernels' arguments for blocks of the last dimension of ``x``, which must not be empty."""
    length = x.shape[-1]
    return Quantize(
        x=x.data_ptr(),
        element=_ELEMENTS[x.dtype],
        rows=x.numel() // length,
        length=length,
        block=min(block, length),
        clip=1.0,
        whole=1.0,
    )


def quantize(
    x: Tensor,
    fmt: Format | str | Path,
    *,
    block: int | None = DEFAULT_BLOCK,
    scale_format: ScaleFormat = ScaleFormat.FP32,
    clip: float | Tensor = 1.0,
    kernel: str = "auto",
) -> Packed:
    """Quantize blocks of the last dimension, as :func:`halfbyte.golden.quantize` defines it.

    Parameters
    ----------
    x : Tensor
        (..., K) floating point, on the CPU or a CUDA device.
    fmt : Format, str or Path
        A format, its name or its file.
    block, scale_format
        As for :func:`halfbyte.golden.quantize`.
    clip : float or Tensor
        Factor of the absolute maxima from which scales are computed: a number, or a float32 tensor
        that broadcasts to the scales' shape (..., blocks).
    kernel : str
        ``units`` takes any shape. ``spans`` reads 256 elements at a time, and takes only tensors of
        a multiple of 256 elements, in whole blocks of 16, 32, 64, 128 or 256. ``auto`` is ``spans``
        where it can be used, else ``units``.

    Raises
    ------
    TypeError
        ``x`` is not floating point, ``block`` is not an integer, or ``clip`` has another type.
    ValueError
        ``x`` has NaN, infinities or no dimension, or ``block`` or ``clip`` is out of range.
    UserError
        A scale exceeds FP32, the format or the kernel is unknown, the kernel does not take the
        shape, or ``x`` is on a device without kernels.
    ToolError
        The kernels cannot be compiled, or fail.
    """
    fmt = resolve_format(fmt)
    if check_float(x, "The input of quantize").ndim == 0:
        raise ValueError("quantize needs a tensor with at least one dimension, not 0")
    library, table = library_for(x.device), format_table(fmt)
    x = _element(x)
    *rows, length = x.shape
    size = max(length, 1) if block is None else check_integer("block", block, 1, MAX_TERMS)
    codes = torch.empty(*rows, row_bytes(fmt, length), dtype=torch.uint8, device=x.device)
    scales = torch.empty(*rows, -(-length // size), dtype=torch.float32, device=x.device)
    clips = _clips(check_clip(clip), scales)
    if x.numel():
        refusals = _new_refusals(x.device)
        call = _call(x, size)
        call.rule, call.refusals = _RULES[scale_format], refusals.counters.data_ptr()
        call.codes, call.scales = codes.data_ptr(), scales.data_ptr()
        if clips is not None:
            call.clips = clips.data_ptr()
        elif not isinstance(clip, Tensor):
            call.clip = clip
        if scale_format.has_tensor_scale:
            largest = float(absmax(x, block=size).amax())
            call.whole = library.tensor_scale(largest, table, _RULES[scale_format])
        number = QUANTIZE_KERNELS[_pick(kernel, library, call)]
        library.call("hb_quantize", x.device, table, call, number)
        refusals.check(fmt, x.numel())
    return Packed(codes, scales, fmt, length, size, trusted=True)


def _clips(clip: float | Tensor, scales: Tensor) -> Tensor | None:
    """A clip for each scale if ``clip`` is a tensor, else None."""
    if not isinstance(clip, Tensor):
        return None
    return clip.to(scales.device).expand(scales.shape).contiguous()


def _pick(kernel: str, library: Library, call: Quantize) -> str:
    """The kernel to use; for ``auto``, ``spans`` if it takes the shape."""
    spans = library.in_spans(call)
    if kernel == "auto":
        return "spans" if spans else "units"
    if kernel not in QUANTIZE_KERNELS:
        raise UserError(f"Kernel must be auto, units or spans, not {str(kernel)[:60]!r}")
    if kernel == "spans" and not spans:
        raise UserError(
            "Kernel spans needs blocks of 16, 32, 64, 128 or 256 that fill the rows, and a "
            f"multiple of 256 elements, not {call.rows} rows of {call.length} in blocks of "
            f"{call.block}; use units"
        )
    return kernel


def absmax(x: Tensor, *, block: int) -> Tensor:
    """The absolute maximum of each block of the last dimension; (..., blocks) float32.

    Raises TypeError if ``x`` is not floating point, ValueError on NaN or infinities.
    """
    x = _element(check_float(x, "A tensor"))
    *rows, length = x.shape
    largest = torch.empty(*rows, -(-length // block), dtype=torch.float32, device=x.device)
    if x.numel():
        refusals = _new_refusals(x.device)
        call = _call(x, block)
        call.scales, call.refusals = largest.data_ptr(), refusals.counters.data_ptr()
        library_for(x.device).call("hb_absmax", x.device, call)
        nans, infinities, *_ = refusals.counters.tolist()
        check_finite(nans, infinities, x.numel())
    return largest


def scales_of(
    absmax: Tensor,
    fmt: Format,
    scale_format: ScaleFormat,
    *,
    clip: float = 1.0,
    tensor_absmax: float | None = None,
) -> Tensor:
    """The quantizer's scales for blocks with these absolute maxima; float32 of the same shape.

    absmax: any shape, float32, finite. ``tensor_absmax`` is the absolute maximum of the
    whole tensor, which E4M3 scales need; by default the largest of ``absmax``.
    """
    library, table = library_for(absmax.device), format_table(fmt)
    flat = absmax.contiguous().reshape(-1, 1)
    scales = torch.empty_like(absmax, memory_format=torch.contiguous_format)
    if flat.numel():
        call = _call(flat, 1)
        call.clip, call.rule, call.scales = clip, _RULES[scale_format], scales.data_ptr()
        if scale_format.has_tensor_scale:
            largest = float(absmax.amax()) if tensor_absmax is None else tensor_absmax
            call.whole = library.tensor_scale(largest, table, _RULES[scale_format])
        library.call("hb_scales", absmax.device, table, call)
    return scales


def encode(x: Tensor, fmt: Format) -> Tensor:
    """Codes of the values nearest to ``x`` (float32, any shape, no NaN); uint8, not packed."""
    flat = x.contiguous().reshape(-1, 1)
    codes = torch.empty(x.shape, dtype=torch.uint8, device=x.device)
    if flat.numel():
        call = _call(flat, 1)
        call.codes = codes.data_ptr()
        library_for(x.device).call("hb_encode", x.device, format_table(fmt), call)
    return codes
