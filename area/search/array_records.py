"""Records of systolic arrays."""

from dataclasses import dataclass

from halfbyte.area.search.dot_records import DotRecord
from halfbyte.base import Record

__all__ = ["ArrayRecord", "MappedRegisters"]


@dataclass(frozen=True, kw_only=True)
class MappedRegisters(Record):
    """The registers of one element on a cell library, as the store keeps them."""

    area_um2: float
    """Area of all cells, in um^2."""
    cells: int
    """Cells of the netlist."""
    flip_flops: int
    """Flip-flops of the netlist."""
    data_energy_fj: float | None
    """Energy of the data per product, in fJ; null without the library's tables."""
    clock_energy_fj: float | None
    """Energy of the clock pins per product, in fJ; null without the library's tables."""


@dataclass(frozen=True, kw_only=True)
class ArrayRecord(DotRecord):
    """What an array takes on a cell library. Areas, cells and flip-flops count the whole array.

    Delay, proof and netlist are those of one unit. The energy of a product counts the unit and the
    element's registers.
    """

    rows: int
    """Rows of units: tokens processed at a time."""
    columns: int
    """Columns of units: outputs computed at a time."""
    um2_per_mac: float
    """Area divided by the products per cycle, in um^2."""
    unit_um2: float
    """Area of one unit, in um^2."""
    element_registers_um2: float
    """Area of a unit's registers and of the multiplexer that passes results on, in um^2."""
    element_registers_fj: float | None
    """Energy per product in an element's registers, with their clock pins, in fJ."""
    skew_um2: float
    """Area of the registers that delay rows and columns, in um^2."""
