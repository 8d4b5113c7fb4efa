"""Find how many bits a model's weights need: the weights themselves, or their codes in a format.

This number is computed in two ways. The order-0 entropy is the least that any code can need if it
codes every symbol separately, by its frequency in the tensor. A symbol consists of the bits of an
element that are coded, such as the exponent. The number for halfbyte's own lossless code is the
size of the whole compressed tensor, with index, table and header.

A tensor is *coded* if it is stored in the lossless code. The *codes* of a format are the bits that
stand for its values.
"""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TypeVar

import torch
from torch import Tensor

from halfbyte.base import Progress, Record, UserError
from halfbyte.checkpoints.checkpoint import Checkpoint
from halfbyte.checkpoints.pieces import blaming, matrices
from halfbyte.checkpoints.tensor_file import StoredTensor
from halfbyte.formats import Format
from halfbyte.golden import quantize
from halfbyte.golden.dfloat11 import element_type, measure
from halfbyte.golden.dfloat11.elements import ELEMENT_TYPES
from halfbyte.golden.dfloat11.joint_table import order_0
from halfbyte.golden.scales import ScaleFormat

__all__ = [
    "CodeEntropy",
    "TensorEntropy",
    "Totals",
    "code_entropies",
    "effective_bits",
    "mean_bits",
    "tensor_entropies",
    "total",
]

_WIDE = ("F32", "F64")
"""Types that are rounded to BF16 when they are read, as if the model were published in BF16."""


@dataclass(frozen=True, kw_only=True)
class TensorEntropy(Record):
    """How many bits each element of a tensor needs."""

    tensor: str
    """Name of the tensor."""
    dtype: str
    """Type of the tensor, and the type that it was rounded to, if any."""
    elements: int
    """Number of elements of the tensor."""
    raw_bits: float
    """Bits of an uncompressed element, after the rounding if the type is rounded."""
    entropy_bits: float
    """Bits per element: order-0 entropy of the bits that are coded, plus all other bits."""
    coded_bits: float
    """Bits per element, compressed or not, whichever is smaller; with tables and headers."""
    coded: bool
    """Whether compression makes the tensor smaller."""


@dataclass(frozen=True, kw_only=True)
class CodeEntropy(Record):
    """How many bits each weight of a layer needs if it is quantized to a format."""

    tensor: str
    """Name of the weight."""
    format: str
    """Name of the format."""
    elements: int
    """Number of elements of the weight."""
    block: int
    """Number of elements that share a scale."""
    scale_format: str
    """Type of the scales."""
    raw_bits: float
    """Bits of an uncompressed code."""
    entropy_bits: float
    """Order-0 entropy of the codes, in bits per code."""
    coded_bits: float
    """Bits per code, compressed or not, whichever is smaller."""
    coded: bool
    """Whether compression makes the codes smaller."""
    scale_bits: float
    """Bits per weight for the scales."""
    effective_bits: float
    """Bits per weight with codes and scales."""


@dataclass(frozen=True, kw_only=True)
class Totals:
    """Mean bits per element, over all elements of several tensors."""

    tensors: int
    elements: int
    raw_bits: float
    entropy_bits: float
    coded_bits: float


@dataclass(frozen=True, kw_only=True)
class _Bits:
    """Three numbers of bits per element, and whether compression makes the tensor smaller."""

    raw_bits: float
    entropy_bits: float
    coded_bits: float
    coded: bool


_Entropy = TypeVar("_Entropy", TensorEntropy, CodeEntropy)


def _readable(tensor: StoredTensor) -> bool:
    """Whether a tensor has elements of a type whose entropy is computed."""
    is_known = tensor.dtype in ELEMENT_TYPES and tensor.dtype != "U8"
    return tensor.elements > 0 and (is_known or tensor.dtype in _WIDE)


def _read(tensor: StoredTensor) -> Tensor:
    """A tensor in a type that can be compressed; FP32 and FP64 are rounded to BF16."""
    if tensor.dtype in _WIDE:
        return tensor.read().to(torch.bfloat16)
    kind = ELEMENT_TYPES[tensor.dtype]
    return tensor.read_bytes().view(kind.torch_dtype).reshape(tensor.shape)


def _bits(tensor: Tensor, codes: str = "best") -> _Bits:
    """The bits per element of a tensor; ``codes`` chooses the variant of the lossless code."""
    kind = element_type(tensor.dtype)
    assert kind is not None  # noqa: S101 (callers have checked)
    measured = measure(tensor, codes=codes)
    size = min(measured.size, measured.header.raw_size)
    return _Bits(
        raw_bits=8.0 * kind.bytes,
        entropy_bits=order_0(measured.counts) + 8 * kind.raw_bytes,
        coded_bits=8 * size / tensor.numel(),
        coded=measured.pays,
    )


def _checkpoint(path: Path) -> Checkpoint:
    """Open a checkpoint. Raises UserError if it has no tensor whose entropy can be computed."""
    checkpoint = Checkpoint(path)
    if not any(map(_readable, checkpoint.tensors.values())):
        types = ", ".join(name for name in (*ELEMENT_TYPES, *_WIDE) if name != "U8")
        raise UserError(f"{path} must have a tensor of one of the types {types}, but has none")
    return checkpoint


def tensor_entropies(
    path: Path, *, codes: str = "best", on_progress: Progress | None = None
) -> list[TensorEntropy]:
    """Find the bits that each tensor of a folder or a safetensors file needs.

    Returns a record for each tensor. Tensors without elements, tensors of U8, and those of other
    types that the lossless code cannot compress are left out. FP32 and FP64 are rounded to BF16
    first. ``codes`` chooses the variant of the lossless code, as in
    :func:`halfbyte.golden.dfloat11.measure`. Raises UserError if no tensor is left.
    """
    tensors = [each for each in _checkpoint(path).tensors.values() if _readable(each)]
    records = []
    for done, tensor in enumerate(tensors):
        if on_progress is not None:
            on_progress(done, len(tensors), tensor.name)
        rounded = tensor.dtype in _WIDE
        records.append(
            TensorEntropy(
                tensor=tensor.name,
                dtype=f"{tensor.dtype} as BF16" if rounded else tensor.dtype,
                elements=tensor.elements,
                **asdict(_bits(_read(tensor), codes)),
            )
        )
    return records


def code_entropies(
    path: Path,
    formats: Sequence[Format],
    *,
    block: int = 128,
    scale_format: ScaleFormat = ScaleFormat.FP32,
    on_progress: Progress | None = None,
) -> list[CodeEntropy]:
    """Quantize each weight to each format, and find the bits that its codes and scales need.

    Returns a record for each weight and format. The weights are those that ``halfbyte quantize``
    quantizes. Codes count as compressed if that makes them smaller.

    Parameters
    ----------
    path : Path
        A folder in Hugging Face layout, or a safetensors file.
    formats : sequence of Format
        Formats to which the weights are quantized.
    block : int
        Elements along the inputs that share a scale.
    scale_format : ScaleFormat
        Type of the scales.
    on_progress : callable, optional
        Called with ``(done, total, label)``.

    Raises
    ------
    UserError
        There are no such weights, or a weight cannot be quantized.
    """
    checkpoint = Checkpoint(path)
    if not checkpoint.weights:
        raise UserError(f"{path} has no weights of layers to quantize")
    records: list[CodeEntropy] = []
    total_count = len(checkpoint.weights) * len(formats)
    for weight in checkpoint.weights:
        values = [torch.cat([rows for _, rows in pieces]) for _, pieces in matrices(weight)]
        elements = sum(each.numel() for each in values)
        for fmt in formats:
            if on_progress is not None:
                on_progress(len(records), total_count, f"{fmt.name} {weight.name}")
            quantized = []
            for each in values:
                with blaming(weight, 0, each):
                    quantized.append(quantize(each, fmt, block=block, scale_format=scale_format))
            bits = _bits(torch.cat([each.codes for each in quantized]))
            codes = min(float(fmt.bits), bits.coded_bits)
            count = sum(each.scales.numel() for each in quantized)
            scales = scale_format.bits * count / elements
            records.append(
                CodeEntropy(
                    tensor=weight.name,
                    format=fmt.name,
                    elements=elements,
                    block=block,
                    scale_format=scale_format.value,
                    raw_bits=float(fmt.bits),
                    entropy_bits=bits.entropy_bits,
                    coded_bits=codes,
                    coded=codes < fmt.bits,
                    scale_bits=scales,
                    effective_bits=codes + scales,
                )
            )
    return records


def total(records: Sequence[_Entropy]) -> Totals:
    """The mean of each number of bits over all elements of the records' tensors."""
    return Totals(
        tensors=len(records),
        elements=sum(record.elements for record in records),
        raw_bits=mean_bits(records, lambda record: record.raw_bits),
        entropy_bits=mean_bits(records, lambda record: record.entropy_bits),
        coded_bits=mean_bits(records, lambda record: record.coded_bits),
    )


def mean_bits(records: Sequence[_Entropy], figure: Callable[[_Entropy], float]) -> float:
    """The mean of the number that ``figure`` gives for a record, weighted by its elements."""
    elements = sum(record.elements for record in records)
    return sum(record.elements * figure(record) for record in records) / elements


def effective_bits(
    path: Path,
    formats: Sequence[Format],
    *,
    block: int = 128,
    scale_format: ScaleFormat = ScaleFormat.FP32,
) -> dict[str, float]:
    """Bits per weight of a model for each format, by its name: codes and scales together.

    Each is the mean of ``effective_bits`` in :func:`code_entropies` over all weights.
    """
    records = code_entropies(path, formats, block=block, scale_format=scale_format)
    by_format: dict[str, list[CodeEntropy]] = {}
    for record in records:
        by_format.setdefault(record.format, []).append(record)
    return {
        name: mean_bits(each, lambda record: record.effective_bits)
        for name, each in by_format.items()
    }
