"""Compress the files of models without loss, and load models that stay compressed in memory.

DFloat11 is a lossless code for the weights of a model. A coded weight takes about eleven bits,
instead of the sixteen of BF16.
"""

from halfbyte.checkpoints.dfloat11.folder import compress_path, decompress_path, verify_path
from halfbyte.checkpoints.dfloat11.loading import load
from halfbyte.checkpoints.dfloat11.modules import CompressedEmbedding, CompressedLinear
from halfbyte.checkpoints.dfloat11.published_folder import (
    compress_published,
    decompress_published,
    is_published,
)

__all__ = [
    "CompressedEmbedding",
    "CompressedLinear",
    "compress_path",
    "compress_published",
    "decompress_path",
    "decompress_published",
    "is_published",
    "load",
    "verify_path",
]
