"""The records of what is done to models on disk."""

from collections.abc import Mapping
from dataclasses import dataclass

from halfbyte.base import Record

__all__ = [
    "CompressionRecord",
    "DecompressionRecord",
    "PublishedCompressionRecord",
    "QuantizationRecord",
    "TensorRecord",
]


@dataclass(frozen=True)
class TensorRecord(Record):
    """What became of one tensor; check bytes are not counted."""

    name: str
    """Name of the tensor."""
    dtype: str
    """Its type."""
    elements: int
    """Its elements."""
    raw_bytes: int
    """Its bytes as it was."""
    stored_bytes: int
    """Its bytes as it is stored."""
    coded: bool
    """Whether it was coded; otherwise it is a copy."""


@dataclass(frozen=True, kw_only=True)
class CompressionRecord(Record):
    """A model compressed to the layout of this project."""

    source: str
    """File or folder that was read."""
    output: str
    """File or folder that was written."""
    layout: str
    """``halfbyte``."""
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
    """Their elements."""
    coded_bits_per_element: float | None
    """Bits per element of them; null if there are none."""
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
    """Their elements."""
    coded_bits_per_element: float | None
    """Bits per element of them; null if there are none."""
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
    """A compressed model written as it was."""

    source: str
    """File or folder that was read."""
    output: str
    """File or folder that was written."""
    tensors: int
    """Tensors of the files."""
    corrected_words: int
    """Words of 64 bits that had a wrong bit, which was corrected."""
    bytes_before: int
    """Bytes of the files that were read."""
    bytes_after: int
    """Bytes of the files that were written."""
    seconds: float
    """Time that it took, in s."""
    versions: Mapping[str, str | None]
    """Versions of the libraries."""


@dataclass(frozen=True, kw_only=True)
class QuantizationRecord(Record):
    """A model quantized from disk to disk."""

    model: str
    """Folder that was read."""
    output: str
    """Folder that was written."""
    format: str
    """The format."""
    block: int
    """Elements that share a scale."""
    dequantized: bool
    """Whether values were written instead of codes and scales."""
    weights: int
    """Tensors that were quantized."""
    copied: int
    """Tensors that were copied."""
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
    """Bytes of memory that it takes at most."""
    seconds: float
    """Time that it took, in s."""
    versions: Mapping[str, str | None]
    """Versions of the libraries."""
