"""The golden model: what the hardware computes, bit for bit, on PyTorch tensors.

It encodes numbers to codes, decodes and packs codes, and quantizes blocks. It computes products,
dot products, the accumulator of a MAC in each cycle, and block-scaled matrix products (GEMM).
:mod:`halfbyte.golden.scalar` has the same definitions for single Python numbers.
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
