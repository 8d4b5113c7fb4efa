"""Amaranth components for MAC units of any two formats, and their export to RTLIL and Verilog."""

from halfbyte.rtl.architecture import ArchitectureError
from halfbyte.rtl.decoder import Decoder, SignMagnitudeDecoder
from halfbyte.rtl.export import port_widths, to_rtlil, to_verilog
from halfbyte.rtl.mac import Mac, check_segment
from halfbyte.rtl.multiplier import (
    ARCHITECTURES,
    applicable_architectures,
    check_architecture,
    multiplier,
)

__all__ = [
    "ARCHITECTURES",
    "ArchitectureError",
    "Decoder",
    "Mac",
    "SignMagnitudeDecoder",
    "applicable_architectures",
    "check_architecture",
    "check_segment",
    "multiplier",
    "port_widths",
    "to_rtlil",
    "to_verilog",
]
