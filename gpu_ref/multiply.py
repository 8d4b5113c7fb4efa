"""Multiplies block-scaled matrices with the kernels, and chooses the kernel for the formats."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from halfbyte.base import UserError
from halfbyte.formats import Format
from halfbyte.gpu_ref.build import format_table
from halfbyte.gpu_ref.library import Library, library_for, tile_library
from halfbyte.gpu_ref.packed import Packed
from halfbyte.gpu_ref.structures import Expand, Layout, Operand, PlainProduct, Product, RowsProduct

__all__ = [
    "GEMM_KERNELS",
    "alternatives",
    "applicable_kernels",
    "choose_kernel",
    "matmul",
    "refusal",
]

# Partial sums of a block below this bound are converted to FP32 by one subtraction; see
# gemm_ring.h.
SMALL = 2**22
# dp4a and mma pad each block to a multiple of 32 products. If that more than quadruples the work,
# auto avoids mma.
MAX_PADDING = 4
BLOCK_PADDING = 32
# As in gemm_rows.h: the most rows of activations, the codes that a GPU thread (lane) reads at once,
# and the lanes of a warp.
FEW_ROWS, PIECE, LANES = 16, 16, 32
MAX_ROW_BYTES = 2**31 - 1  # of a decoded row: expand_piece() in expand.h counts in 32 bits


@dataclass(frozen=True)
class _Sizes:
    """The properties of a product that decide whether a kernel can compute it exactly.

    ``formats`` are those of activations and weights, ``terms`` is the number of products in a
    block, and ``rows`` and ``length`` are the shape of the activations.
    """

    formats: tuple[Format, Format]
    terms: int
    rows: int | None = None
    length: int | None = None

    @property
    def bound(self) -> int:
        """Bound on the magnitude of every partial sum of a block."""
        a, w = (max(map(abs, fmt.integers)) for fmt in self.formats)
        return a * w * self.terms

    def outside(self, low: int, high: int) -> Format | None:
        """The first format with an integer below ``low`` or above ``high``; None if all fit."""
        for fmt in self.formats:
            if min(fmt.integers) < low or max(fmt.integers) > high:
                return fmt
        return None


def _range(fmt: Format) -> str:
    return f"{fmt.name} has integers from {min(fmt.integers)} to {max(fmt.integers)}"


def _bytes_refusal(sizes: _Sizes) -> str | None:
    """Why a kernel that multiplies int8 cannot be exact; None if it can."""
    wide = sizes.outside(-128, 127)
    if wide:
        return f"it multiplies int8, and {_range(wide)}"
    return "sums of a block may exceed int32" if sizes.bound >= 2**31 else None


def _said(rows: int | None) -> str:
    return "an unknown number" if rows is None else str(rows)


def _rows_refusal(sizes: _Sizes) -> str | None:
    """Why the kernel ``rows`` does not take these sizes, or cannot be exact; None if it can."""
    if sizes.rows is None or sizes.length is None or not 1 <= sizes.rows <= FEW_ROWS:
        return f"it takes 1 to {FEW_ROWS} rows of activations, not {_said(sizes.rows)}"
    weight = sizes.formats[1]
    if weight.bits > 4:
        return f"it reads codes of at most 4 bits, and {weight.name} has {weight.bits}"
    pieces = sizes.terms // PIECE
    whole = sizes.terms % PIECE == 0 and (pieces % LANES == 0 or pieces & (pieces - 1) == 0)
    if not whole or sizes.length % PIECE:
        return (
            "it takes rows of a multiple of 16 codes, in blocks of 16, 32, 64, 128, 256 or a "
            f"multiple of 512 codes, not rows of {sizes.length} codes in blocks of {sizes.terms}"
        )
    return _bytes_refusal(sizes)


def _pairs_refusal(sizes: _Sizes) -> str | None:
    """Why a kernel that multiplies int16 cannot be exact; None if it can."""
    wide = sizes.outside(-(2**15) + 1, 2**15 - 1)
    if wide:
        return f"it multiplies int16, and {_range(wide)}"
    return "sums of a block may exceed int32" if sizes.bound >= 2**31 else None


def _doubles_refusal(sizes: _Sizes) -> str | None:
    """Why a kernel that multiplies and adds in FP64 cannot be exact; None if it can."""
    return "sums of a block may exceed 2^53" if sizes.bound > 2**53 else None


def _no_refusal(sizes: _Sizes) -> str | None:
    return None


# By kernel: a function that says why the kernel cannot be exact for given sizes; None if it can.
_REFUSALS: dict[str, Callable[[_Sizes], str | None]] = {
    "plain": _no_refusal,
    "dp4a": _bytes_refusal,
    "mma": _bytes_refusal,
    "rows": _rows_refusal,
    "pairs": _pairs_refusal,
    "doubles": _doubles_refusal,
}
# By build: the kernels that it has.
GEMM_KERNELS = {
    "cuda": ("plain", "dp4a", "mma", "rows"),
    "host": ("plain", "dp4a", "mma", "rows", "pairs", "doubles"),
}


@dataclass(frozen=True)
class _Tile:
    """A variant of ``mma`` with other tiles: its number in tiles.h, and KiB of shared memory."""

    number: int
    shared: int


# A tile is the part of the result that a thread block computes. A name states the tile's rows x
# columns x buffers; ``mma`` itself is 128x128x3. ``auto`` never chooses these variants.
# wgmma stands for Hopper's warpgroup instructions, which need compute capability 9.0.
_TILES = {
    "mma 128x64x3": _Tile(0, 72),
    "wgmma 64x128x3": _Tile(1, 72),
    "wgmma 64x128x4": _Tile(2, 96),
    "wgmma 128x128x4": _Tile(3, 128),
}
WARPGROUPS = (9, 0)

EMULATED = ("dp4a", "mma", "rows")
"""Kernels that the host build emulates thread by thread, to check them without a GPU."""
# By build: the kernels among which ``auto`` chooses, the one that should be the fastest first.
_PREFERENCE = {"cuda": ("rows", "mma", "plain"), "host": ("pairs", "doubles", "plain")}


def refusal(
    kernel: str,
    activation: Format,
    weight: Format,
    terms: int,
    *,
    rows: int | None = None,
    length: int | None = None,
) -> str | None:
    """Why ``kernel`` cannot multiply blocks of ``terms`` products exactly; None if it can.

    ``rows`` and ``length`` are those of the activations. Without them, the kernel called ``rows``
    is refused.
    """
    name = "mma" if kernel in _TILES else kernel
    return _REFUSALS[name](_Sizes((activation, weight), terms, rows, length))


def applicable_kernels(
    kind: str,
    activation: Format,
    weight: Format,
    terms: int,
    *,
    rows: int | None = None,
    length: int | None = None,
) -> list[str]:
    """The kernels of the build ``cuda`` or ``host`` that are exact for these sizes."""
    return [
        name
        for name in GEMM_KERNELS[kind]
        if not refusal(name, activation, weight, terms, rows=rows, length=length)
    ]


def _has_groups(device: torch.device) -> bool:
    """Whether warpgroup instructions run on ``device``; the host build emulates them."""
    if device.type == "cuda" and torch.cuda.get_device_capability(device) != WARPGROUPS:
        return False
    return tile_library(library_for(device).kind).has_groups


def alternatives(device: torch.device) -> tuple[str, ...]:
    """The variants of ``mma`` with other tiles that ``device`` can run."""
    room, groups = 2**10, _has_groups(device)
    if device.type == "cuda":
        properties = torch.cuda.get_device_properties(device)
        room = getattr(properties, "shared_memory_per_block_optin", 0) >> 10  # not in old PyTorch
    return tuple(
        name
        for name, tile in _TILES.items()
        if tile.shared <= room and (groups or "wgmma" not in name)
    )


def choose_kernel(
    kernel: str,
    kind: str,
    activation: Format,
    weight: Format,
    terms: int,
    *,
    rows: int | None = None,
    length: int | None = None,
) -> str:
    """Return ``kernel``; for ``auto``, the exact kernel of the build that should be the fastest.

    Raises UserError if the build lacks ``kernel``, or if the kernel cannot be exact or does not
    take these sizes; the message says why.
    """
    if kernel == "auto":
        padded = -(-terms // BLOCK_PADDING) * BLOCK_PADDING > MAX_PADDING * terms
        fitting = applicable_kernels(kind, activation, weight, terms, rows=rows, length=length)
        return next(
            name for name in _PREFERENCE[kind] if name in fitting and not (name == "mma" and padded)
        )
    if kernel not in (*GEMM_KERNELS[kind], *_TILES):
        names = ", ".join(GEMM_KERNELS[kind])
        raise UserError(
            f"Kernel of the {kind} build must be one of auto, {names}, not {str(kernel)[:60]!r}"
        )
    reason = refusal(kernel, activation, weight, terms, rows=rows, length=length)
    if reason:
        raise UserError(f"Kernel {kernel} cannot compute this product: {reason}; use plain or auto")
    return kernel


@dataclass
class Expanded:
    """An operand for kernels that multiply int8: its elements and the steps of blocks, padded.

    The step of a block is its scale times the quantum.
    """

    integers: Tensor
    steps: Tensor
    layout: Layout


def expand(library: Library, packed: Packed, rows: int) -> Expanded:
    """Decode an operand of ``rows`` rows once, for all tiles of the result.

    Raises UserError if a decoded row is longer than the kernel's 32-bit offsets reach.
    """
    layout = library.layout(rows, packed.length, packed.kernel_block)
    if layout.row_length > MAX_ROW_BYTES:
        raise UserError(
            f"Rows must take at most {MAX_ROW_BYTES} bytes as padded int8, not "
            f"{layout.row_length}: use kernel plain or larger blocks"
        )
    shape = layout.padded_rows, layout.row_length
    integers = torch.empty(shape, dtype=torch.int8, device=packed.device)
    steps = torch.empty(layout.blocks, layout.padded_rows, device=packed.device)
    operand, keep = packed.operand()  # keep: tensors that must live until the kernel is done
    call = Expand(
        operand=operand, layout=layout, integers=integers.data_ptr(), steps=steps.data_ptr()
    )
    library.call("hb_expand", packed.device, format_table(packed.format), call)
    del keep
    return Expanded(integers, steps, layout)


def matmul(a: Packed, w: Packed, *, kernel: str = "auto") -> Tensor:
    """``A W^T``, bit for bit as :func:`halfbyte.golden.gemm` defines it; (..., N) float32.

    a: (..., K). w: (N, K), with the same block size, on the same device.

    Kernels: ``plain`` follows the definition and takes all shapes. ``dp4a`` and ``mma`` (tensor
    cores) multiply int8. ``rows`` also multiplies int8, for at most 16 rows of ``a``, and reads the
    packed codes of ``w``. ``pairs`` and ``doubles`` use the SIMD instructions of the host build.
    ``auto`` chooses the kernel that should be the fastest among those that are exact.

    Raises TypeError if an operand is not Packed; ValueError if shapes, blocks or devices differ or
    a result exceeds FP32; UserError if ``kernel`` is unknown, cannot compute this product exactly,
    cannot run on this device or lacks memory; ToolError if kernels cannot be compiled or fail.
    """
    _check_operands(a, w)
    rows, length, columns = a.shape[:-1].numel(), a.length, w.shape[0]
    library = library_for(a.device)
    chosen = choose_kernel(
        kernel, library.kind, a.format, w.format, a.kernel_block, rows=rows, length=length
    )
    if "wgmma" in chosen and not _has_groups(a.device):
        raise UserError(f"Kernel {chosen} needs compute capability 9.0 and nvcc 12; use mma")
    y = torch.zeros(*a.shape[:-1], columns, dtype=torch.float32, device=a.device)
    if y.numel() == 0 or length == 0:
        return y
    overflows = torch.zeros(1, dtype=torch.int64, device=a.device)
    run = _RUNS.get(chosen, _multiply_packed)
    try:
        run(library, chosen, a, w, rows, y, overflows)
    except torch.OutOfMemoryError:
        raise UserError(
            f"Not enough memory on {a.device} for a product of {rows} x {length} x {columns}: "
            "multiply fewer rows at a time"
        ) from None
    if int(overflows):
        raise ValueError("The result exceeds the range of FP32; scale the operands down")
    return y


def _check_operands(a: Packed, w: Packed) -> None:
    for operand in (a, w):
        if not isinstance(operand, Packed):
            raise TypeError(f"matmul needs Packed operands, not {type(operand).__name__}")
    if len(w.shape) != 2 or a.length != w.length:
        raise ValueError(
            f"matmul needs (..., K) and (N, K), not {tuple(a.shape)} and {tuple(w.shape)}"
        )
    if a.kernel_block != w.kernel_block:
        raise ValueError(f"matmul needs equal block sizes, not {a.block} and {w.block}")
    if a.device != w.device:
        raise ValueError(f"matmul needs operands on one device, not on {a.device} and {w.device}")


def _multiply_packed(
    library: Library, kernel: str, a: Packed, w: Packed, rows: int, y: Tensor, overflows: Tensor
) -> None:
    """Call a kernel that decodes the operands itself; ``overflows`` counts results beyond FP32."""
    (a_operand, a_keep), (w_operand, w_keep) = a.operand(), w.operand()
    call = PlainProduct(
        a=a_operand,
        w=w_operand,
        m=rows,
        n=w.shape[0],
        length=a.length,
        block=a.kernel_block,
        y=y.data_ptr(),
        overflows=overflows.data_ptr(),
    )
    tables = format_table(a.format), format_table(w.format)
    library.call(f"hb_gemm_{kernel}", a.device, *tables, call)
    del a_keep, w_keep


def _multiply_expanded(
    library: Library, kernel: str, a: Packed, w: Packed, rows: int, y: Tensor, overflows: Tensor
) -> None:
    """Decode both operands to int8, then call a kernel that multiplies int8."""
    a_wide, w_wide = expand(library, a, rows), expand(library, w, w.shape[0])
    call = Product(
        a=a_wide.integers.data_ptr(),
        w=w_wide.integers.data_ptr(),
        a_steps=a_wide.steps.data_ptr(),
        w_steps=w_wide.steps.data_ptr(),
        a_layout=a_wide.layout,
        w_layout=w_wide.layout,
        y=y.data_ptr(),
        overflows=overflows.data_ptr(),
    )
    small = _Sizes((a.format, w.format), a.kernel_block).bound < SMALL
    if kernel in _TILES:
        tiles, number = tile_library(library.kind), _TILES[kernel].number
        tiles.call("hb_gemm_tile", a.device, call, int(small), number)
    else:
        extra = (int(small),) if kernel == "mma" else ()
        library.call(f"hb_gemm_{kernel}", a.device, call, *extra)


def _multiply_rows(
    library: Library, kernel: str, a: Packed, w: Packed, rows: int, y: Tensor, overflows: Tensor
) -> None:
    """Decode the activations to int8, then call the kernel ``rows``, which decodes the weights."""
    wide, (operand, keep) = expand(library, a, rows), w.operand()
    call = rows_call(wide, operand, w.shape[0], y, overflows)
    library.call("hb_gemm_rows", a.device, format_table(w.format), call)
    del keep


def rows_call(a: Expanded, w: Operand, columns: int, y: Tensor, overflows: Tensor) -> RowsProduct:
    """The arguments of the kernel ``rows``; the tensors must live until the kernel is done."""
    return RowsProduct(
        a=a.integers.data_ptr(),
        a_steps=a.steps.data_ptr(),
        a_layout=a.layout,
        w=w,
        n=columns,
        y=y.data_ptr(),
        overflows=overflows.data_ptr(),
    )


# By kernel: the function that calls it. _multiply_packed calls the other kernels.
_RUNS = dict.fromkeys(("dp4a", "mma", *_TILES), _multiply_expanded) | {"rows": _multiply_rows}
