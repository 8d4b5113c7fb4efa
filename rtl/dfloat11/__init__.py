"""A hardware decoder for DFloat11: BF16 weights, compressed without loss."""

from halfbyte.rtl.dfloat11.decoder import MAX_LENGTH, ROWS, Decoder, check_decoder
from halfbyte.rtl.dfloat11.framing import Verdict
from halfbyte.rtl.dfloat11.lane import Lane
from halfbyte.rtl.dfloat11.loader import Loader

__all__ = ["MAX_LENGTH", "ROWS", "Decoder", "Lane", "Loader", "Verdict", "check_decoder"]
