"""DFloat11 decoded by the kernels: our own layouts and the published one, on a GPU or on the host.

The kernels are written from ``docs/dfloat11.md``, not from the golden codec, and compared with it.
"""

from halfbyte.gpu_ref.dfloat11.joint import JointTensor, multiply_plain
from halfbyte.gpu_ref.dfloat11.own import CompressedTensor, decode
from halfbyte.gpu_ref.dfloat11.published import PublishedModule, decode_published

__all__ = ["CompressedTensor", "JointTensor", "PublishedModule", "decode", "decode_published",
           "multiply_plain"]  # fmt: skip
