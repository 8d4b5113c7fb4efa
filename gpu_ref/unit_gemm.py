"""Computes matrix products with the kernels as dot-product units do, on the CPU or a GPU.

Each result is the accumulator of one dot-product unit, which takes one block of products a cycle.
Each function takes and returns the same as the function of that name in
:mod:`halfbyte.golden.unit_gemm` or :mod:`halfbyte.golden.dot_blackwell`.
"""

import torch
from torch import Tensor

from halfbyte.formats import Format, Overflow, ScaleCode
from halfbyte.golden import pack
from halfbyte.golden.dot_blackwell import check_blackwell
from halfbyte.golden.unit_gemm import check_products
from halfbyte.gpu_ref.build import format_table
from halfbyte.gpu_ref.dot_unit import BLACKWELL, INTEGER, exact_unit, fp32_unit, unit
from halfbyte.gpu_ref.library import library_for
from halfbyte.gpu_ref.packed import PAIR_BITS
from halfbyte.gpu_ref.structures import CodedOperand, Unit, UnitProduct

__all__ = ["blackwell_gemm", "exact_gemm", "integer_gemm", "unit_gemm"]


def unit_gemm(
    a_codes: Tensor,
    w_codes: Tensor,
    a_scales: Tensor | None = None,
    w_scales: Tensor | None = None,
    *,
    activation: Format,
    weight: Format,
    scale: ScaleCode | None,
    block: int,
) -> Tensor:
    """``A W^T`` from units with FP32 accumulators, which round once per block; (M, N) float32.

    The operands and errors are those of :func:`halfbyte.golden.unit_gemm.unit_gemm`.
    """
    kind = fp32_unit(weight, activation, scale, block)
    operands = (a_codes, w_codes, a_scales, w_scales)
    acc, _ = _multiply(kind, *operands, activation, weight, scale, block)
    return acc.to(torch.int32).view(torch.float32)


def integer_gemm(
    a_codes: Tensor,
    w_codes: Tensor,
    *,
    activation: Format,
    weight: Format,
    acc_width: int,
    overflow: Overflow = Overflow.WRAP,
    block: int,
) -> Tensor:
    """``A W^T`` from integer accumulators that add ``block`` products a cycle; (M, N) int64.

    The operands and errors are those of :func:`halfbyte.golden.unit_gemm.integer_gemm`.
    """
    kind = unit(INTEGER, weight, activation, acc_width=acc_width, overflow=overflow)
    return _multiply(kind, a_codes, w_codes, None, None, activation, weight, None, block)[0]


def exact_gemm(
    a_codes: Tensor,
    w_codes: Tensor,
    a_scales: Tensor,
    w_scales: Tensor,
    *,
    activation: Format,
    weight: Format,
    scale: ScaleCode,
    acc_width: int,
    window: tuple[int, int] | None = None,
    block: int,
) -> tuple[Tensor, Tensor]:
    """``A W^T`` in fixed point, (M, N) int64, and whether each result is NaN, (M, N) bool.

    The operands, units and errors are those of :func:`halfbyte.golden.unit_gemm.exact_gemm`.
    """
    kind = exact_unit(weight, activation, scale, acc_width, window)
    operands = (a_codes, w_codes, a_scales, w_scales)
    return _multiply(kind, *operands, activation, weight, scale, block)


def blackwell_gemm(
    a_codes: Tensor,
    w_codes: Tensor,
    a_scales: Tensor,
    w_scales: Tensor,
    *,
    activation: Format,
    weight: Format,
    scale: ScaleCode,
    block: int,
) -> Tensor:
    """``A W^T`` as the published model of Blackwell's tensor core gives it; (M, N) float32.

    We have not verified this published model. The operands and errors are those of
    :func:`halfbyte.golden.dot_blackwell.blackwell_gemm`.
    """
    check_blackwell(weight, activation, scale, block)
    kind = unit(BLACKWELL, weight, activation, scale=scale)
    operands = (a_codes, w_codes, a_scales, w_scales)
    acc, _ = _multiply(kind, *operands, activation, weight, scale, block)
    return acc.to(torch.int32).view(torch.float32)


def _multiply(
    kind: Unit,
    a_codes: Tensor,
    w_codes: Tensor,
    a_scales: Tensor | None,
    w_scales: Tensor | None,
    activation: Format,
    weight: Format,
    scale: ScaleCode | None,
    block: int,
) -> tuple[Tensor, Tensor]:
    """All accumulators, (M, N) int64, and whether they are NaN, (M, N) bool."""
    rows, columns, blocks = check_products(
        a_codes,
        w_codes,
        a_scales,
        w_scales,
        activation=activation,
        weight=weight,
        scale=scale,
        block=block,
    )
    given = [each for each in (a_codes, w_codes, a_scales, w_scales) if each is not None]
    if len({each.device for each in given}) != 1:
        devices = sorted(str(each.device) for each in given)
        raise ValueError(f"Operands must be on one device, not on {', '.join(devices)}")
    device = a_codes.device
    acc = torch.zeros(rows, columns, dtype=torch.int64, device=device)
    is_nan = torch.zeros(rows, columns, dtype=torch.bool, device=device)
    if acc.numel():
        (a, a_keep), (w, w_keep) = (
            _operand(a_codes, a_scales, activation),
            _operand(w_codes, w_scales, weight),
        )
        call = UnitProduct(
            a=a,
            w=w,
            m=rows,
            n=columns,
            length=a_codes.shape[1],
            block=block,
            blocks=blocks,
            acc=acc.data_ptr(),
            is_nan=is_nan.data_ptr(),
        )
        tables = format_table(weight), format_table(activation)
        library_for(device).call("hb_unit_product", device, *tables, kind, call)
        del a_keep, w_keep
    return acc, is_nan


def _operand(
    codes: Tensor, scales: Tensor | None, fmt: Format
) -> tuple[CodedOperand, tuple[Tensor, Tensor | None]]:
    """The kernel's argument, and the tensors that must live until the kernel is done."""
    packed = (pack(codes) if fmt.bits <= PAIR_BITS else codes).contiguous()
    kept = None if scales is None else scales.contiguous()
    pointer = None if kept is None else kept.data_ptr()
    return CodedOperand(codes=packed.data_ptr(), scales=pointer), (packed, kept)
