"""Makes two packets for each chunk of a tensor, for the hardware decoder with a code table.

A packet is a run of words or bytes; the last one is marked when it is sent.
``rtl.dfloat11.framing`` defines the content, all of which comes from the compressed tensor. One
packet of a chunk has its size, segment lengths, CRC and codes. The other has its raw bytes, which
hold the bits that are not coded.

The code table is not in these packets. The decoder must load it first, through its port ``table``,
as a packet of the numbers in :attr:`CodeTable.numbers`.
"""

from collections.abc import Iterator

from torch import Tensor

from halfbyte.golden.dfloat11.kernels import CHUNK, SEGMENTS
from halfbyte.golden.dfloat11.layout import read_header, split

__all__ = ["table_packets"]


def table_packets(data: Tensor) -> Iterator[tuple[list[int], list[int]]]:
    """The packet of 32-bit words and the packet of raw bytes of every chunk of a compressed tensor.

    data: (bytes,) uint8, as :func:`compress` returns it. Raises CorruptError if the header is
    damaged or the length of ``data`` is wrong; chunks are not checked.
    """
    header = read_header(data.numpy())
    parts = split(data.numpy(), header)
    stream = parts.stream.view("<u4")
    lengths = parts.lengths.view("<u4").reshape(-1, SEGMENTS // 2)
    ends = [*parts.starts[1:].tolist(), header.stream_words]
    for index, (start, end) in enumerate(zip(parts.starts.tolist(), ends, strict=True)):
        raw = parts.raw[index * CHUNK :][:CHUNK].tolist()
        crc = int(parts.crcs[index])
        yield [len(raw) - 1, *lengths[index].tolist(), crc, *stream[start:end].tolist()], raw
