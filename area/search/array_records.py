"""Records of systolic arrays of dot-product units.

An element is one place in the grid of rows and columns: a unit and its registers. A token is one
input vector of the layer that the array computes.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from halfbyte.area.search.dot_records import DotRecord
from halfbyte.base import Record

__all__ = ["ArrayRecord", "MappedPart"]


@dataclass(frozen=True, kw_only=True)
class MappedPart(Record):
    """A part of an array, other than its units, mapped to the cells of a library."""

    area_um2: float
    """Area of all cells, in um^2."""
    cells: int
    """Number of cells."""
    flip_flops: int
    """Number of flip-flops."""
    data_energy_fj: float | None
    """Energy per cycle without the clock pins, in fJ; null if it was not measured."""
    clock_energy_fj: float | None
    """Energy per cycle of the clock pins, in fJ; null if it was not measured."""
    proof: str | None
    """Whether the netlist does what its RTL does; null if no proof was asked for."""
    not_measured: str | None = None
    """What the library lacks for the energies; null if it lacks nothing."""


@dataclass(frozen=True, kw_only=True)
class ArrayRecord(DotRecord):
    """Area, delay, energy and proof of an array on a cell library.

    ``area_um2``, ``register_um2``, ``cells`` and ``flip_flops`` are those of the whole array.
    Delay, leakage, proof and netlist are those of one unit. The energies per product include all
    parts.
    """

    dataflow: str
    """What stays in an element: ``output`` (the sum) or ``weight``."""
    rows: int
    """Number of rows. Each row has its own token; if weights stay, its own products of each sum."""
    columns: int
    """Number of columns; each column computes its own output."""
    depth: int | None
    """Number of tokens whose sums a column holds; null in an output-stationary array."""
    weight_cycles: int | None
    """Cycles for which a weight stays in its element when energy is measured; null if it moves."""
    um2_per_mac: float
    """Area divided by the number of products per cycle, in um^2."""
    unit_um2: float
    """Area of one unit, in um^2."""
    element_registers_um2: float
    """Area of the registers and multiplexers of an element outside its unit, in um^2."""
    element_registers_fj: float | None
    """Energy per product in an element's registers, with their clock pins, in fJ."""
    skew_um2: float
    """Area of the registers that delay the inputs of rows and columns, in um^2."""
    skew_fj: float | None
    """Energy per product in the registers that delay the inputs of rows and columns, in fJ."""
    return_um2: float
    """Area of the registers that bring sums back to a column's bottom, in um^2; 0 if none exist."""
    return_fj: float | None
    """Energy per product in the registers that bring sums back, in fJ; 0 if none exist."""
    parts_proof: Mapping[str, str] | None
    """For each part except the units: whether its netlist equals its RTL; null without proofs."""
