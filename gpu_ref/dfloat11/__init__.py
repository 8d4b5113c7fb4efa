"""Decodes DFloat11, a lossless compression of weights, with kernels on a GPU or on the host.

The kernels decode three layouts of the compressed data: halfbyte's *prefix* and *joint* layouts,
and that of the ``dfloat11`` package, the *published* one. They are written from
``docs/dfloat11.md``, independently of the codec in :mod:`halfbyte.golden.dfloat11`, and are
compared with that codec.
"""

from halfbyte.gpu_ref.dfloat11.joint import JointTensor, multiply_plain
from halfbyte.gpu_ref.dfloat11.own import CompressedTensor, decode
from halfbyte.gpu_ref.dfloat11.published import PublishedModule, decode_published

__all__ = ["CompressedTensor", "JointTensor", "PublishedModule", "decode", "decode_published",
           "multiply_plain"]  # fmt: skip
