"""Makes the input for the decoder without a code table: two packets for each chunk of a tensor.

This hardware decoder knows eight fixed codes for exponents (:class:`FixedCode`), and the tensor
must be compressed in one of them. A packet is a run of bytes, the last of which is marked when it
is sent. ``rtl.dfloat11.fixed`` defines the content. The codes and the raw bytes (sign and mantissa)
come from the compressed tensor. A header and a CRC of the verified weights are added here.
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

EXPONENT = 7  # position of the exponent's lowest bit in a BF16 number
ZEROS_BITS = 2  # length of the code that is all zeros


def fixed_packets(data: Tensor, *, symbols: int = 1) -> Iterator[tuple[bytes, bytes]]:
    """The packet of codes and the packet of raw bytes of every chunk of a compressed tensor.

    Parameters
    ----------
    data : Tensor
        (bytes,) uint8, as :func:`compress` returns it for BF16 and ``codes="fixed"``.
    symbols : int
        Weights that the hardware decodes in a cycle, 1 or 2. With 2, packets have an even number of
        bytes. A chunk with an odd number of weights then gets one more weight, with code 00, which
        the receiver must drop.

    Raises
    ------
    CorruptError
        The data is damaged.
    UserError
        The data has another code, or is not BF16.
    """
    weights = decompress(data).flatten()
    header = read_header(data.numpy())
    code = FixedCode.of(header.table)
    if code is None or weights.dtype != torch.bfloat16:
        raise UserError(
            "The decoder without a table needs BF16 weights in a fixed code, not "
            f"{header.kind.name} in {'a fixed' if code else 'another'} code; compress BF16 weights "
            "with codes 'fixed'"
        )
    parts = split(data.numpy(), header)
    words = weights.view(torch.uint8).numpy()
    bits = parts.lengths.view("<u2").reshape(-1, SEGMENTS).sum(axis=1, dtype=np.int64)
    ends = [*parts.starts[1:].tolist(), header.stream_words]
    for chunk, (start, end) in enumerate(zip(parts.starts.tolist(), ends, strict=True)):
        raw = parts.raw[chunk * CHUNK : (chunk + 1) * CHUNK].tobytes()
        stream = parts.stream[start * WORD // 8 : end * WORD // 8].view("<u4").astype(">u4")
        decoded = words[2 * chunk * CHUNK :][: 2 * len(raw)].tobytes()
        size = int(bits[chunk])
        if len(raw) % symbols:
            raw += b"\0"
            decoded += (code.of_zeros << EXPONENT).to_bytes(2, "little")
            size += ZEROS_BITS
        beats = -(-size // (8 * symbols))
        last = len(raw) - 1
        yield (
            bytes([last & 0xFF, last >> 8, code.highest, code.number])
            + stream.tobytes().ljust(beats * symbols, b"\0")[: beats * symbols]
            + int(crc32c(np.frombuffer(decoded, np.uint8), 0, len(decoded))).to_bytes(4, "little"),
            raw,
        )
