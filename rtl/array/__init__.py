"""Systolic arrays of dot-product units."""

from halfbyte.rtl.array.registers import ElementRegisters
from halfbyte.rtl.array.spec import ArraySpec
from halfbyte.rtl.array.systolic import SystolicArray

__all__ = ["ArraySpec", "ElementRegisters", "SystolicArray"]
