"""Records of what was done to models on disk.

Lossless compression stores tensors in a shorter code, or copies them if that is not smaller. Check
bytes are extra bytes that allow a reader to correct one wrong bit in each 64 (SECDED). A *mirrored*
block is quantized with the negated values of the format.
"""

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
    """How the compression of a model stored one tensor, or several together."""

    name: str
    """Name of the first tensor."""
    dtype: str
    """Type of the first tensor."""
    tensors: int
    """Number of tensors that are stored together."""
    elements: int
    """Number of elements of these tensors."""
    raw_bytes: int
    """Bytes of these tensors in the original."""
    stored_bytes: int
    """Bytes of these tensors as stored, without check bytes."""
    coded: bool
    """Whether the tensors are stored in a shorter code; otherwise they are copied."""


@dataclass(frozen=True, kw_only=True)
class CompressionRecord(Record):
    """The lossless compression of a model to halfbyte's own layout."""

    source: str
    """File or folder that was read."""
    output: str
    """File or folder that was written."""
    layout: str
    """``joint``, the smaller layout, or ``prefix``, which halfbyte's hardware decoder reads."""
    codes: str
    """Codes of the layout ``prefix``: ``best`` for the shortest, or ``fixed`` for one of the eight
    that hardware knows, if the type is BF16. For the layout ``joint``, always ``best``."""
    secded: bool
    """Whether check bytes were added, which correct one wrong bit in each 64."""
    verified: bool
    """Whether the whole output was decoded and compared with the original."""
    tensors: int
    """Number of tensors that are stored. A large tensor that repeats another is not counted."""
    coded: int
    """Number of tensors that are stored in a shorter code."""
    coded_elements: int
    """Number of elements that are stored in a shorter code."""
    coded_bits_per_element: float | None
    """Mean number of bits of these elements, as stored; null if there are none."""
    bytes_before: int
    """Bytes of the files that were read."""
    bytes_after: int
    """Bytes of the files that were written."""
    left_out: tuple[str, ...]
    """Files that were not copied."""
    details: tuple[TensorRecord, ...]
    """How each tensor was stored."""
    seconds: float
    """Time that it took, in s."""
    versions: Mapping[str, str | None]
    """Versions of the libraries."""


@dataclass(frozen=True, kw_only=True)
class PublishedCompressionRecord(Record):
    """The lossless compression of a model to the layout of the ``dfloat11`` package.

    A module is a transformer block, or a single linear layer or embedding.
    """

    source: str
    """File or folder that was read."""
    output: str
    """Folder that was written."""
    layout: str
    """Always ``dfloat11``."""
    verified: bool
    """Whether every module was decoded and compared with the original before it was written."""
    modules: int
    """Number of modules that were compressed."""
    coded_elements: int
    """Number of weights in these modules."""
    coded_bits_per_element: float | None
    """Mean number of bits of these weights, as stored; null if nothing was compressed."""
    kept: Mapping[str, str]
    """Modules that were copied uncompressed, with the reasons."""
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
    """The decompression of a model to its original files."""

    source: str
    """File or folder that was read."""
    output: str
    """File or folder that was written."""
    corrected_words: int
    """Number of words of 64 bits in which a wrong bit was corrected."""
    lost: tuple[str, ...]
    """Names of tensors in the compressed files that could not be restored."""
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
    """The decompression of a model that was in the layout of the ``dfloat11`` package."""

    source: str
    """File or folder that was read."""
    output: str
    """Folder that was written."""
    tensors: int
    """Number of tensors of the model."""
    corrected_words: int
    """Always 0, since this layout cannot correct wrong bits."""
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
    """Whether a compressed file can be decoded to its original."""

    file: str
    """File that was verified."""
    bytes: int
    """Bytes of the file."""
    corrected_words: int
    """Number of words of 64 bits in which a wrong bit was corrected."""
    error: str | None
    """What is damaged; null if nothing is."""
    seconds: float
    """Time that it took, in s."""


@dataclass(frozen=True, kw_only=True)
class PartRecord(Record):
    """A part of a compressed file: one or several tensors of the original, stored together."""

    tensor: str
    """Name of the first tensor in the part."""
    tensors: int
    """Number of tensors in the part."""
    dtype: str
    """Types of the tensors."""
    shape: tuple[int, ...] | None
    """Shape of the tensor; null if there are several."""
    elements: int
    """Number of elements of all tensors in the part."""
    layout: str
    """How the part is coded: ``joint`` or ``prefix``; ``as it was`` for a copy."""
    raw_bits: float | None
    """Bits per element in the original; null if the part has no elements."""
    entropy_bits: float | None
    """Bits per element with an ideal code: the entropy of exponent and upper mantissa bits, plus
    the number of the other bits. For elements of 8 bits: the entropy of all bits. Null for a
    copy."""
    stored_bits: float | None
    """Bits per element as stored; null if the part has no elements."""
    bytes: int
    """Bytes of the part."""


@dataclass(frozen=True, kw_only=True)
class QuantizationRecord(Record):
    """The quantization of a model on disk."""

    model: str
    """Folder that was read."""
    output: str
    """Folder that was written."""
    format: str
    """Name of the format."""
    block: int | None
    """Number of elements that share a scale; null for whole rows."""
    operand: JsonObject
    """How weights were quantized: block size, type of scales, clipping, mirrored blocks."""
    dequantized: bool
    """Whether dequantized values were written instead of codes and scales."""
    storage: str
    """Layout of codes and scales in the files: ``halfbyte`` or ``compressed-tensors``."""
    weights: int
    """Number of tensors that were quantized."""
    copied: int
    """Number of tensors that were copied."""
    unquantized: Mapping[str, str]
    """Floating-point tensors of two or more dimensions that were copied, with the reasons."""
    told_by: str
    """What decided which tensors are quantized: the layers of the ``model``, or the ``names`` of
    tensors if transformers does not know the model."""
    parameters: int
    """Number of elements that were quantized."""
    bytes_before: int
    """Bytes of the files that were read."""
    bytes_after: int
    """Bytes of the files that were written."""
    shards: int
    """Number of files with the model's weights."""
    shards_kept: int
    """Number of these files that an earlier run had already written."""
    needed_memory: int
    """The greatest number of bytes of memory that the run needs, without those of the program
    itself."""
    seconds: float
    """Time that it took, in s."""
    versions: Mapping[str, str | None]
    """Versions of the libraries."""


@dataclass(frozen=True, kw_only=True)
class FormatDescription(Record):
    """Everything that is needed to decode a format's codes."""

    name: str
    """The short name for files and commands."""
    title: str
    """The name for readers."""
    bits: int
    """Bits of a code."""
    ties: str
    """How a midpoint between two values is rounded: ``down`` to the lower value, or ``even`` to the
    code with an even last bit."""
    values: tuple[str, ...]
    """The value of each code, as an exact fraction."""


@dataclass(frozen=True, kw_only=True)
class WeightDescription(Record):
    """A weight that was quantized."""

    outputs: int
    """Number of rows of its matrix."""
    inputs: int
    """Number of columns of its matrix. Blocks run along the rows."""
    experts: int | None
    """Number of matrices in the tensor, one for each expert; null if the tensor is one matrix."""
    dtype: str
    """Type of the original tensor."""
    shape: tuple[int, ...]
    """Shape of the original tensor."""
    layout: str
    """Order of the dimensions of the original tensor, such as ``outputs, inputs``."""
    groups: int
    """Groups of a convolution; 1 for other layers."""


@dataclass(frozen=True, kw_only=True)
class CheckpointDescription(Record):
    """The content of ``halfbyte.json``, which describes a quantized checkpoint."""

    model: str
    """Name of the folder that was read."""
    format: FormatDescription
    """Format of the quantized weights."""
    block: int | None
    """Number of elements that share a scale; null for whole rows."""
    operand: JsonObject
    """How weights were quantized: block size, type of scales, clipping, mirrored blocks."""
    content: str
    """What the files hold: ``codes`` with their scales, or dequantized ``values``."""
    storage: str
    """Layout of codes and scales in the files: ``halfbyte`` or ``compressed-tensors``."""
    codes_per_byte: int
    """2 if two codes share a byte, otherwise 1."""
    weights: Mapping[str, WeightDescription]
    """The weights that were quantized, by the names of their tensors."""
    copied: tuple[str, ...]
    """Names of the tensors that were copied."""
    unquantized: Mapping[str, str]
    """Floating-point tensors of two or more dimensions that were copied, with the reasons."""
    told_by: str
    """What decided which tensors are quantized: the layers of the ``model``, or the ``names`` of
    tensors if transformers does not know the model."""
    versions: Mapping[str, str | None]
    """Versions of the libraries."""
