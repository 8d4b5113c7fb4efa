"""A tensor in a fixed code as the hardware without a table takes it: two packets for each chunk.

``rtl.dfloat11.fixed`` says what the packets are. Stream and raw bytes are those of the compressed
tensor; header and CRC are made here, from the weights that it was verified to hold.
"""

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from halfbyte.base import UserError
from halfbyte.golden.dfloat11.codec import decompress
from halfbyte.golden.dfloat11.fixed_codes import FixedCode
from halfbyte.golden.dfloat11.kernels import CHUNK, SEGMENTS, WORD, crc32c
from halfbyte.golden.dfloat11.layout import read_header, split

__all__ = ["fixed_packets"]


def fixed_packets(data: Tensor) -> Iterator[tuple[bytes, bytes]]:
    """Codes and raw bytes of every chunk of a compressed tensor.

    Parameters
    ----------
    data : Tensor
        (bytes,) uint8, as :func:`compress` gives it for BF16 and ``codes="fixed"``.

    Raises
    ------
    CorruptError
        It is damaged.
    UserError
        It is in another code, or not of BF16.
    """
    weights = decompress(data).flatten()
    header = read_header(data.numpy())
    code = FixedCode.of(header.table)
    if code is None or weights.dtype != torch.bfloat16:
        raise UserError(
            "The decoder without a table takes BF16 in a fixed code: compress with codes 'fixed'"
        )
    parts = split(data.numpy(), header)
    words = weights.view(torch.uint8).numpy()
    bits = parts.lengths.view("<u2").reshape(-1, SEGMENTS).sum(axis=1, dtype=np.int64)
    for chunk, start in enumerate(parts.starts.tolist()):
        raw = parts.raw[chunk * CHUNK : (chunk + 1) * CHUNK]
        first = start * WORD // 8
        size = -(-int(bits[chunk]) // 8)
        stream = parts.stream[first : first + -(-size // 4) * 4].view("<u4").astype(">u4")
        last = len(raw) - 1
        crc = int(crc32c(words, 2 * chunk * CHUNK, 2 * (chunk * CHUNK + len(raw))))
        head = bytes([last & 0xFF, last >> 8, code.highest, code.number])
        yield head + stream.tobytes()[:size] + crc.to_bytes(4, "little"), raw.tobytes()
