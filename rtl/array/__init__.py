"""Systolic arrays of dot-product units: grids in which data moves from unit to unit."""

from halfbyte.rtl.array.base import SystolicSpec
from halfbyte.rtl.array.make import make_array
from halfbyte.rtl.array.names import Dataflow
from halfbyte.rtl.array.registers import ElementRegisters
from halfbyte.rtl.array.spec import ArraySpec
from halfbyte.rtl.array.systolic import SystolicArray
from halfbyte.rtl.array.weight_spec import WeightArraySpec
from halfbyte.rtl.array.weight_stationary import WeightStationaryArray

__all__ = [
    "ArraySpec",
    "Dataflow",
    "ElementRegisters",
    "SystolicArray",
    "SystolicSpec",
    "WeightArraySpec",
    "WeightStationaryArray",
    "make_array",
]
