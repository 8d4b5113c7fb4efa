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
    """Flip-flops among them."""


@dataclass(frozen=True, kw_only=True)
class ArrayRecord(DotRecord):
    """What an array takes on a cell library. Areas, cells and flip-flops are those of all of it.

    Delay, proof and netlist are those of its unit; the energy of a product is that in the unit,
    with the clock of the element's registers.
    """

    rows: int
    """Units down: tokens at a time."""
    columns: int
    """Units across: outputs at a time."""
    um2_per_mac: float
    """Area over all products of a cycle, in um^2."""
    unit_um2: float
    """Area of one unit, in um^2."""
    element_registers_um2: float
    """Area of the registers around a unit, with what selects the result that moves on, in um^2."""
    skew_um2: float
    """Area of the registers that delay rows and columns, in um^2."""
