"""CUDA kernels that give the results of the golden model, on a GPU or on the CPU.

The golden model is :mod:`halfbyte.golden`, in PyTorch. The kernels compute the same bits.

The kernels are compiled twice from the same sources in ``cuda/``. The host build, compiled by a C++
compiler, works on CPU tensors. The CUDA build, compiled by nvcc, works on CUDA tensors. Each build
is compiled on first use and kept under :func:`halfbyte.base.build_dir`.
"""

from halfbyte.gpu_ref.linear import Linear, convert, unconverted
from halfbyte.gpu_ref.mac import mac_stream
from halfbyte.gpu_ref.multiply import matmul
from halfbyte.gpu_ref.packed import Packed
from halfbyte.gpu_ref.quantizer import quantize

__all__ = ["Linear", "Packed", "convert", "mac_stream", "matmul", "quantize", "unconverted"]
