"""Packets of a model's weights, which a DFloat11 decoder decodes to measure its energy.

The weights are BF16. Each of 64 streams is one short chunk. The chunks are coded with one table for
all streams, or each in the fixed code of its matrix. ``rtl.dfloat11.framing`` and
``rtl.dfloat11.fixed`` define the packets.
"""

import io
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from halfbyte.area.timing.activity import LANES
from halfbyte.base import content_key

__all__ = [
    "ELEMENTS",
    "SHIPPED",
    "SHIPPED_FIXED",
    "FixedPackets",
    "Packets",
    "load_fixed_packets",
    "load_packets",
]

_SAMPLES = Path(__file__).parent / "samples" / "dfloat11"
SHIPPED = _SAMPLES / "minilm.npz"
SHIPPED_FIXED = _SAMPLES / "minilm_fixed.npz"
ELEMENTS = 256  # weights of a chunk


@dataclass(frozen=True)
class Packets:
    """Packets of 64 streams and their code table.

    ``numbers``, (n,) uint16, is the code table as the loader takes it. ``words`` is (64, m) uint32;
    the first ``word_counts``, (64,) uint16, of each row are a packet. ``raw`` is (64, 256) uint8.

    Raises ValueError for other shapes or types.
    """

    numbers: NDArray[np.uint16]
    words: NDArray[np.uint32]
    word_counts: NDArray[np.uint16]
    raw: NDArray[np.uint8]

    def __post_init__(self) -> None:
        shapes = (self.words.shape[:1], self.word_counts.shape, self.raw.shape)
        if shapes != ((LANES,), (LANES,), (LANES, ELEMENTS)):
            raise ValueError(f"Packets must be {LANES}, of {ELEMENTS} raw bytes, not {shapes}")
        if self.word_counts.max() > self.words.shape[1]:
            raise ValueError("A packet has more words than there are")

    @property
    def content_hash(self) -> str:
        """SHA-256 (hex) of the values."""
        return _content_hash(self)

    def to_bytes(self) -> bytes:
        """The contents of a file."""
        return _to_bytes(self)


@dataclass(frozen=True)
class FixedPackets:
    """Packets of 64 streams in fixed codes.

    ``codes`` is (64, m) uint8; the first ``code_counts``, (64,) uint16, of each row are a packet
    with an even number of bytes. ``raw`` is (64, 256) uint8.

    Raises ValueError for other shapes or counts.
    """

    codes: NDArray[np.uint8]
    code_counts: NDArray[np.uint16]
    raw: NDArray[np.uint8]

    def __post_init__(self) -> None:
        shapes = (self.codes.shape[:1], self.code_counts.shape, self.raw.shape)
        if shapes != ((LANES,), (LANES,), (LANES, ELEMENTS)):
            raise ValueError(f"Packets must be {LANES}, of {ELEMENTS} raw bytes, not {shapes}")
        if self.code_counts.max() > self.codes.shape[1] or (self.code_counts % 2).any():
            raise ValueError("A packet has more bytes than there are, or an odd number of them")

    @property
    def content_hash(self) -> str:
        """SHA-256 (hex) of the values."""
        return _content_hash(self)

    def to_bytes(self) -> bytes:
        """The contents of a file."""
        return _to_bytes(self)


def _arrays(packets: Packets | FixedPackets) -> dict[str, NDArray[Any]]:
    return {field.name: getattr(packets, field.name) for field in fields(packets)}


def _content_hash(packets: Packets | FixedPackets) -> str:
    return content_key([array.tolist() for array in _arrays(packets).values()])


def _to_bytes(packets: Packets | FixedPackets) -> bytes:
    buffer = io.BytesIO()
    arrays: dict[str, Any] = _arrays(packets)
    np.savez_compressed(buffer, **arrays)
    return buffer.getvalue()


def load_packets(path: Path = SHIPPED) -> Packets:
    """Packets from a file that ``halfbyte operands --packets`` wrote."""
    return Packets(**_stored(path, Packets))


def load_fixed_packets(path: Path = SHIPPED_FIXED) -> FixedPackets:
    """Packets from a file that ``halfbyte operands --packets --codes fixed`` wrote."""
    return FixedPackets(**_stored(path, FixedPackets))


def _stored(path: Path, kind: type[Packets | FixedPackets]) -> dict[str, NDArray[Any]]:
    with np.load(io.BytesIO(path.read_bytes()), allow_pickle=False) as stored:
        return {field.name: stored[field.name] for field in fields(kind)}
