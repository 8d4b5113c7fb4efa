"""Loads compressed weights of a model, which a DFloat11 decoder decodes in an energy measurement.

A lane of the decoder decodes one stream. It is simulated in 64 copies, so there are 64 streams.
Each stream is one chunk of 256 BF16 weights. A chunk consists of two packets: one has a raw byte
(sign and mantissa) of each weight, and the other has a header and the coded exponents. Either all
exponents are coded with one table, or each chunk uses one of eight fixed codes: the one in which
the whole weight matrix that the chunk comes from is shortest. ``rtl.dfloat11.framing`` and
``rtl.dfloat11.fixed`` define the packets.
"""

import io
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from halfbyte.area.timing.activity import LANES as STREAMS
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


class _Arrays:
    """The base of dataclasses whose fields are arrays, stored together in one file."""

    @property
    def arrays(self) -> dict[str, NDArray[Any]]:
        """The fields by name."""
        return {field.name: getattr(self, field.name) for field in fields(cast("Any", self))}

    @property
    def content_hash(self) -> str:
        """SHA-256 (hex) of the values."""
        return content_key([array.tolist() for array in self.arrays.values()])

    def to_bytes(self) -> bytes:
        """The contents of a file with the arrays."""
        buffer = io.BytesIO()
        arrays: dict[str, Any] = self.arrays
        np.savez_compressed(buffer, **arrays)
        return buffer.getvalue()


@dataclass(frozen=True)
class Packets(_Arrays):
    """Packets of 64 streams and their code table.

    Parameters
    ----------
    numbers : numpy array
        (n,) uint16: the code table, as the numbers that the decoder's loader reads.
    words : numpy array
        (64, m) uint32: the packets of coded exponents, as words, one packet in each row.
    word_counts : numpy array
        (64,) uint16: how many words of each row belong to the packet.
    raw : numpy array
        (64, 256) uint8: the packets of raw bytes, one packet in each row.

    Raises
    ------
    ValueError
        There are not 64 packets with 256 raw bytes each, or a count exceeds the length of a row.
    """

    numbers: NDArray[np.uint16]
    words: NDArray[np.uint32]
    word_counts: NDArray[np.uint16]
    raw: NDArray[np.uint8]

    def __post_init__(self) -> None:
        shapes = (self.words.shape[:1], self.word_counts.shape, self.raw.shape)
        if shapes != ((STREAMS,), (STREAMS,), (STREAMS, ELEMENTS)):
            raise ValueError(
                f"There must be {STREAMS} packets with {ELEMENTS} raw bytes each, not arrays of "
                f"the shapes {shapes}"
            )
        if self.word_counts.max() > self.words.shape[1]:
            raise ValueError(
                f"A packet has {self.word_counts.max()} words, but a row of the array has only "
                f"{self.words.shape[1]}"
            )


@dataclass(frozen=True)
class FixedPackets(_Arrays):
    """Packets of 64 streams in fixed codes, which need no table.

    Parameters
    ----------
    codes : numpy array
        (64, m) uint8: the packets of coded exponents, one packet in each row.
    code_counts : numpy array
        (64,) uint16: how many bytes of each row belong to the packet. The number is even, since a
        lane may take two bytes per cycle.
    raw : numpy array
        (64, 256) uint8: the packets of raw bytes, one packet in each row.

    Raises
    ------
    ValueError
        There are not 64 packets with 256 raw bytes each, a count exceeds the length of a row, or a
        count is odd.
    """

    codes: NDArray[np.uint8]
    code_counts: NDArray[np.uint16]
    raw: NDArray[np.uint8]

    def __post_init__(self) -> None:
        shapes = (self.codes.shape[:1], self.code_counts.shape, self.raw.shape)
        if shapes != ((STREAMS,), (STREAMS,), (STREAMS, ELEMENTS)):
            raise ValueError(
                f"There must be {STREAMS} packets with {ELEMENTS} raw bytes each, not arrays of "
                f"the shapes {shapes}"
            )
        most = int(self.code_counts.max())
        if most > self.codes.shape[1]:
            raise ValueError(
                f"A packet has {most} code bytes, but a row of the array has only "
                f"{self.codes.shape[1]}"
            )
        odd = self.code_counts[self.code_counts % 2 == 1]
        if odd.size:
            raise ValueError(f"A packet must have an even number of code bytes, not {odd[0]}")


def load_packets(path: Path = SHIPPED) -> Packets:
    """Packets from a file that ``halfbyte operands --packets`` wrote."""
    return Packets(**_stored(path, Packets))


def load_fixed_packets(path: Path = SHIPPED_FIXED) -> FixedPackets:
    """Packets from a file that ``halfbyte operands --packets --codes fixed`` wrote."""
    return FixedPackets(**_stored(path, FixedPackets))


def _stored(path: Path, kind: type[Packets | FixedPackets]) -> dict[str, NDArray[Any]]:
    with np.load(io.BytesIO(path.read_bytes()), allow_pickle=False) as stored:
        return {field.name: stored[field.name] for field in fields(kind)}
