"""A hardware decoder for DFloat11, which compresses BF16 weights without loss.

The exponents become Huffman codes; the sign and the mantissa of each weight stay as they are.
:mod:`halfbyte.rtl.dfloat11.framing` explains the terms and the data on the decoder's streams.
"""

from halfbyte.rtl.dfloat11.decoder import MAX_LENGTH, ROWS, Decoder, check_decoder
from halfbyte.rtl.dfloat11.framing import Verdict
from halfbyte.rtl.dfloat11.lane import Lane
from halfbyte.rtl.dfloat11.loader import Loader

__all__ = ["MAX_LENGTH", "ROWS", "Decoder", "Lane", "Loader", "Verdict", "check_decoder"]
