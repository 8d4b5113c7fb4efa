"""What a DFloat11 decoder decodes while its energy is measured: packets of a model's weights.

The weights are BF16, coded by the codec with one table for all; each of 64 streams is one short
chunk. ``rtl.dfloat11.framing`` says what the packets are.
"""

import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from halfbyte.area.timing.activity import LANES
from halfbyte.base import content_key

__all__ = ["ELEMENTS", "SHIPPED", "Packets", "load_packets"]

SHIPPED = Path(__file__).parent / "samples" / "dfloat11" / "minilm.npz"
ELEMENTS = 256  # weights of a chunk


@dataclass(frozen=True)
class Packets:
    """``numbers``: the code table, (n,) uint16, as the loader takes it. ``words``: (64, m) uint32,
    of which ``word_counts``, (64,) uint16, are a packet. ``raw``: (64, 256) uint8.

    Raises ValueError for other shapes or kinds.
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
        arrays = (self.numbers, self.words, self.word_counts, self.raw)
        return content_key([array.tolist() for array in arrays])

    def to_bytes(self) -> bytes:
        """As a file."""
        buffer = io.BytesIO()
        np.savez_compressed(
            buffer,
            numbers=self.numbers,
            words=self.words,
            word_counts=self.word_counts,
            raw=self.raw,
        )
        return buffer.getvalue()


def load_packets(path: Path = SHIPPED) -> Packets:
    """Packets as ``halfbyte operands --packets`` wrote them."""
    with np.load(io.BytesIO(path.read_bytes()), allow_pickle=False) as stored:
        return Packets(*(stored[name] for name in ("numbers", "words", "word_counts", "raw")))
