"""Records of dot-product units and of their lanes.

A lane is the part of a unit that multiplies one pair of codes.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from halfbyte.area.proofs.results import DotProof
from halfbyte.area.search.records import CellFigures, pair_name
from halfbyte.area.timing.dot_streams import DotMeasured
from halfbyte.base import Record
from halfbyte.rtl.dot.record import DotFields

__all__ = ["DotRecord", "LaneResult", "MappedDot"]


@dataclass(frozen=True, kw_only=True)
class LaneResult(Record):
    """The netlist of a lane."""

    area_um2: float
    """Area of its cells, in um^2."""
    verilog: str
    """The netlist as Verilog, made of the library's cells."""


@dataclass(frozen=True, kw_only=True)
class MappedDot(CellFigures):
    """The netlist that one recipe made for a unit, and what was measured on it."""

    measured: DotMeasured
    """Delay, energies and leakage."""
    proof: DotProof | None
    """What was proved about the netlist; null if no proof was asked for."""
    netlist: str | None = None
    """File of the netlist."""
    netlist_sha256: str | None = None
    """SHA-256 of that file, in hex digits."""


@dataclass(frozen=True, kw_only=True)
class DotRecord(DotFields):
    """Area, delay, energy and proof of a dot-product unit on a cell library."""

    recipe: str
    """The synthesis recipe that made the netlist."""
    technology: str
    """Name of the cell library."""
    corner: str
    """Process, temperature and voltage of the library."""
    clock_ps: float | None
    """The clock period to meet, in ps; null if there was none."""
    slack_ps: float | None
    """Clock period minus delay, in ps; null without a clock."""
    wns_ps: float | None
    """Worst negative slack, in ps: 0 if the clock is met; null without a clock."""
    area_um2: float
    """Area of all cells, in um^2."""
    area_ge: float
    """Area in gate equivalents: divided by the area of a two-input NAND."""
    um2_per_lane: float
    """Area divided by the number of lanes, in um^2."""
    lane_um2: float
    """Area of a lane alone, without its share of the adder tree, in um^2."""
    lane_moves: int
    """How many changes the random search for the lane tried; 0 if there was no search."""
    register_um2: float
    """Area of the flip-flops, in um^2."""
    cells: int
    """Number of cells."""
    flip_flops: int
    """Number of flip-flops."""
    delay_ps: float | None
    """Least clock period, in ps, with setup times and without delays of wires."""
    critical_path: str | None
    """Where the slowest path begins and ends, and how many points (nets) it has."""
    energy_fj: float | None
    """Energy per product, in fJ, without glitches."""
    glitch_energy_fj: float | None
    """Energy per product, in fJ, with the glitches that the cells' delays cause."""
    clock_energy_fj: float | None
    """The share of ``energy_fj`` that the clock pins of the cells consume, in fJ."""
    leakage_nw: float | None
    """Leakage, in nW."""
    not_measured: str | None
    """Why delay, energies or leakage are null."""
    operands: str
    """Name of the set of operands on which energies were measured."""
    proof: DotProof | None
    """What was proved about the unit; null if no proof was asked for."""
    netlist: str | None
    """File of the netlist under ``build/netlists``."""
    versions: Mapping[str, str | None]
    """Versions of the tools; ``card`` is a digest of the technology's cells."""
    seconds: float
    """Time that synthesis took, in s."""

    @property
    def is_proved(self) -> bool:
        """Whether all proofs about the unit succeeded; some of its parts may be only simulated."""
        return self.proof is not None and self.proof.is_proved

    @property
    def pair(self) -> str:
        """The formats as a readable name: one name if both operands share a format."""
        return pair_name(self.format, self.activation)
