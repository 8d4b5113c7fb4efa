"""The golden model: what the hardware computes, bit for bit, on PyTorch tensors.

It has the codec, packing, the block quantizer, products, dot products, the MAC's stream and the
block-scaled GEMM. :mod:`halfbyte.golden.scalar` holds the same definitions on Python numbers.
"""

from halfbyte.golden.codec import decode, decode_integers, encode
from halfbyte.golden.mac import dot, mac_stream, product
from halfbyte.golden.matmul import gemm
from halfbyte.golden.packing import pack, unpack
from halfbyte.golden.quantizer import Quantized, quantize

__all__ = [
    "Quantized",
    "decode",
    "decode_integers",
    "dot",
    "encode",
    "gemm",
    "mac_stream",
    "pack",
    "product",
    "quantize",
    "unpack",
]
