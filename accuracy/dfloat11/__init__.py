"""Files and models in DFloat11: compressed without loss, by tensors, files and folders."""

from halfbyte.accuracy.dfloat11.folder import compress_path, decompress_path
from halfbyte.accuracy.dfloat11.loading import CompressedLinear, load

__all__ = ["CompressedLinear", "compress_path", "decompress_path", "load"]
