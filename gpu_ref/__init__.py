"""The GPU reference: CUDA kernels, and the same code on the host; both equal the golden model's
bits.

CPU tensors are served by the host build, compiled by the C++ compiler; CUDA tensors by the CUDA
build, compiled by nvcc. Both are compiled on first use and kept under ``build_dir()``.
"""

from halfbyte.gpu_ref.linear import Linear, convert, unconverted
from halfbyte.gpu_ref.mac import mac_stream
from halfbyte.gpu_ref.multiply import matmul
from halfbyte.gpu_ref.packed import Packed
from halfbyte.gpu_ref.quantizer import quantize

__all__ = ["Linear", "Packed", "convert", "mac_stream", "matmul", "quantize", "unconverted"]
