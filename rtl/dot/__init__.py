"""Dot-product units, which add many products in a cycle, in trees of adders."""

from halfbyte.rtl.dot.adders import AdderStyle, FinalAdder
from halfbyte.rtl.dot.lane import Lane, LaneBits, lane_architectures, lane_bits
from halfbyte.rtl.dot.numbers import Accumulator
from halfbyte.rtl.dot.spec import DotSpec
from halfbyte.rtl.dot.unit import DotUnit

__all__ = [
    "Accumulator",
    "AdderStyle",
    "DotSpec",
    "DotUnit",
    "FinalAdder",
    "Lane",
    "LaneBits",
    "lane_architectures",
    "lane_bits",
]
