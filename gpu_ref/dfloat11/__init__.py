"""DFloat11 decoded by the kernels: the own layout and the published one, on a GPU or on the host.

Written from ``docs/dfloat11.md``, apart from the golden codec, which it is compared with.
"""

from halfbyte.gpu_ref.dfloat11.own import CompressedTensor, decode
from halfbyte.gpu_ref.dfloat11.published import PublishedModule, decode_published

__all__ = ["CompressedTensor", "PublishedModule", "decode", "decode_published"]
