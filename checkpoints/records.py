"""Records of what was done to models on disk."""

from collections.abc import Mapping
from dataclasses import dataclass

from halfbyte.base import JsonObject, Record

__all__ = [
    "CheckpointDescription",
    "CompressionRecord",
    "DecompressionRecord",
    "FormatDescription",
    "PartRecord",
    "PublishedCompressionRecord",
    "PublishedDecompressionRecord",
    "QuantizationRecord",
    "TensorRecord",
    "VerificationRecord",
    "WeightDescription",
]


@dataclass(frozen=True)
class TensorRecord(Record):
    """What became of one tensor, or of several that are stored together."""

    name: str
    """Name of the first tensor."""
    dtype: str
    """Type of the tensors."""
    tensors: int
    """Tensors that are stored together."""
    elements: int
    """Elements of these tensors."""
    raw_bytes: int
    """Bytes of these tensors in the original."""
    stored_bytes: int
    """Bytes of these tensors as stored, without check bytes."""
    coded: bool
    """Whether they were coded; otherwise they are copied."""


@dataclass(frozen=True, kw_only=True)
class CompressionRecord(Record):
    """A model compressed to halfbyte's own layout."""

    source: str
    """File or folder that was read."""
    output: str
    """File or folder that was written."""
    layout: str
    """``joint`` or ``prefix``."""
    codes: str
    """``table``, ``fixed``, or ``best`` for the smaller of both."""
    secded: bool
    """Whether check bytes were added."""
    verified: bool
    """Whether everything was decoded again before it was written."""
    tensors: int
    """Tensors in all."""
    coded: int
    """Tensors that were coded."""
    coded_elements: int
    """Elements that were coded."""
    coded_bits_per_element: float | None
    """Bits per coded element; null if nothing was coded."""
    bytes_before: int
    """Bytes of the files that were read."""
    bytes_after: int
    """Bytes of the files that were written."""
    left_out: tuple[str, ...]
    """Files that were not copied."""
    details: tuple[TensorRecord, ...]
    """What became of each tensor."""
    seconds: float
    """Time that it took, in s."""
    versions: Mapping[str, str | None]
    """Versions of the libraries."""


@dataclass(frozen=True, kw_only=True)
class PublishedCompressionRecord(Record):
    """A model compressed to the layout of the ``dfloat11`` package."""

    source: str
    """File or folder that was read."""
    output: str
    """Folder that was written."""
    layout: str
    """``dfloat11``."""
    verified: bool
    """Whether everything was decoded again before it was written."""
    modules: int
    """Modules that were coded."""
    coded_elements: int
    """Elements that were coded."""
    coded_bits_per_element: float | None
    """Bits per coded element; null if nothing was coded."""
    kept: Mapping[str, str]
    """Modules that stay as they are, and why."""
    bytes_before: int
    """Bytes of the files that were read."""
    bytes_after: int
    """Bytes of the file that was written."""
    left_out: tuple[str, ...]
    """Files that were not copied."""
    seconds: float
    """Time that it took, in s."""
    versions: Mapping[str, str | None]
    """Versions of the libraries."""


@dataclass(frozen=True, kw_only=True)
class DecompressionRecord(Record):
    """A compressed model that was restored."""

    source: str
    """File or folder that was read."""
    output: str
    """File or folder that was written."""
    corrected_words: int
    """Words of 64 bits that had a wrong bit, which was corrected."""
    lost: tuple[str, ...]
    """Damaged tensors that could not be restored."""
    bytes_before: int
    """Bytes of the files that were read."""
    bytes_after: int
    """Bytes of the files that were written."""
    seconds: float
    """Time that it took, in s."""
    versions: Mapping[str, str | None]
    """Versions of the libraries."""


@dataclass(frozen=True, kw_only=True)
class PublishedDecompressionRecord(Record):
    """A model in the layout of the ``dfloat11`` package that was restored."""

    source: str
    """Folder that was read."""
    output: str
    """Folder that was written."""
    tensors: int
    """Tensors of the model."""
    corrected_words: int
    """Always 0: the layout has no check bytes."""
    bytes_before: int
    """Bytes of the files that were read."""
    bytes_after: int
    """Bytes of the file that was written."""
    seconds: float
    """Time that it took, in s."""
    versions: Mapping[str, str | None]
    """Versions of the libraries."""


@dataclass(frozen=True, kw_only=True)
class VerificationRecord(Record):
    """Whether a compressed file decodes to data with the right digests."""

    file: str
    """File that was verified."""
    bytes: int
    """Bytes of the file."""
    corrected_words: int
    """Words of 64 bits that had a wrong bit, which was corrected."""
    error: str | None
    """What is damaged; null if nothing is."""
    seconds: float
    """Time that it took, in s."""


@dataclass(frozen=True, kw_only=True)
class PartRecord(Record):
    """A part of a compressed file."""

    tensor: str
    """Name of the first tensor in it."""
    tensors: int
    """Tensors in it."""
    dtype: str
    """Types of the tensors."""
    shape: tuple[int, ...] | None
    """Shape of the tensor; null if there are several."""
    elements: int
    """Elements of all."""
    layout: str
    """How it is coded."""
    raw_bits: float | None
    """Bits per element as they were."""
    entropy_bits: float | None
    """Bits per element of an ideal code: the entropy of exponent and upper mantissa bits, plus all
    other bits; null for a copy."""
    stored_bits: float | None
    """Bits per element as they are stored."""
    bytes: int
    """Bytes of the part."""


@dataclass(frozen=True, kw_only=True)
class QuantizationRecord(Record):
    """A model quantized from disk to disk."""

    model: str
    """Folder that was read."""
    output: str
    """Folder that was written."""
    format: str
    """Name of the format."""
    block: int | None
    """Elements that share a scale; null for whole rows."""
    operand: JsonObject
    """How weights were quantized: blocks, scales, clipping, signs."""
    dequantized: bool
    """Whether values were written instead of codes and scales."""
    storage: str
    """How codes and scales lie in the files."""
    weights: int
    """Tensors that were quantized."""
    copied: int
    """Tensors that were copied."""
    unquantized: Mapping[str, str]
    """Matrices that were copied, and why."""
    told_by: str
    """How weights were recognized: by the ``model``'s modules, or by ``names`` if transformers does
    not know the model."""
    parameters: int
    """Elements that were quantized."""
    bytes_before: int
    """Bytes of the files that were read."""
    bytes_after: int
    """Bytes of the files that were written."""
    shards: int
    """Files of the model."""
    shards_kept: int
    """Files that an earlier run had written already."""
    needed_memory: int
    """Bytes of memory that the run needs at most, besides the program itself."""
    seconds: float
    """Time that it took, in s."""
    versions: Mapping[str, str | None]
    """Versions of the libraries."""


@dataclass(frozen=True, kw_only=True)
class FormatDescription(Record):
    """Everything that is needed to decode a format's codes."""

    name: str
    """A word for files and commands."""
    title: str
    """The name that people use."""
    bits: int
    """Bits of a code."""
    ties: str
    """Where midpoints between two values go."""
    values: tuple[str, ...]
    """The value of each code, as an exact fraction."""


@dataclass(frozen=True, kw_only=True)
class WeightDescription(Record):
    """A weight that was quantized."""

    outputs: int
    """Rows of its matrix."""
    inputs: int
    """Columns of its matrix, along which blocks run."""
    experts: int | None
    """Matrices in the tensor; null if the tensor is one matrix."""
    dtype: str
    """Type of the original tensor."""
    shape: tuple[int, ...]
    """Shape of the original tensor."""
    layout: str
    """How the original tensor holds the matrix."""
    groups: int
    """Groups of a convolution; 1 for others."""


@dataclass(frozen=True, kw_only=True)
class CheckpointDescription(Record):
    """What the ``halfbyte.json`` of a quantized checkpoint says."""

    model: str
    """Name of the folder that was read."""
    format: FormatDescription
    """Format of the quantized weights."""
    block: int | None
    """Elements that share a scale; null for whole rows."""
    operand: JsonObject
    """How weights were quantized: blocks, scales, clipping, signs."""
    content: str
    """``codes``, with their scales, or ``values``."""
    storage: str
    """How codes and scales lie in the files."""
    codes_per_byte: int
    """2 if two codes share a byte, otherwise 1."""
    weights: Mapping[str, WeightDescription]
    """The weights that were quantized, by the names of their tensors."""
    copied: tuple[str, ...]
    """Tensors that were copied."""
    unquantized: Mapping[str, str]
    """Matrices that were copied, and why."""
    told_by: str
    """How weights were recognized: by the ``model``'s modules, or by ``names`` if transformers does
    not know the model."""
    versions: Mapping[str, str | None]
    """Versions of the libraries."""
