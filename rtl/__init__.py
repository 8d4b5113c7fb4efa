"""Amaranth components for MACs, whose operands may have any two formats, and their export.

They are exported as Verilog, or as RTLIL, which is Yosys's own language for circuits.
"""

from halfbyte.rtl.architecture import ArchitectureError
from halfbyte.rtl.decoder import Decoder, SignMagnitudeDecoder
from halfbyte.rtl.export import port_widths, to_rtlil, to_verilog
from halfbyte.rtl.mac import Mac
from halfbyte.rtl.multiplier import (
    ARCHITECTURES,
    applicable_architectures,
    check_architecture,
    multiplier,
)
from halfbyte.rtl.spec import AUTO, MacSpec
from halfbyte.rtl.unit_spec import UnitSpec
from halfbyte.rtl.variants import variants

__all__ = [
    "ARCHITECTURES",
    "AUTO",
    "ArchitectureError",
    "Decoder",
    "Mac",
    "MacSpec",
    "SignMagnitudeDecoder",
    "UnitSpec",
    "applicable_architectures",
    "check_architecture",
    "multiplier",
    "port_widths",
    "to_rtlil",
    "to_verilog",
    "variants",
]
