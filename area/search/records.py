"""Records of syntheses: of MACs on cell libraries, of MACs on FPGAs, and of stored netlists.

A field is None if its value is not known or does not apply. A recipe is a fixed sequence of
synthesis steps. A carry-save accumulator keeps some carries in registers until the next cycle.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Self

from halfbyte.area.proofs.results import MacProof
from halfbyte.area.timing.measure import acc_cycles, slack
from halfbyte.base import Record

__all__ = ["CellFigures", "FpgaRecord", "MappedRecord", "SynthesisRecord", "pair_name"]


def pair_name(weight: str, activation: str) -> str:
    """Two formats as a readable name: one name if both operands share a format."""
    return weight if weight == activation else f"{weight} x {activation}"


@dataclass(frozen=True, kw_only=True)
class CellFigures(Record):
    """The cells of a netlist."""

    area_um2: float
    """Area of all cells, in um^2."""
    register_um2: float
    """Area of the flip-flops, in um^2."""
    cells: int
    """Number of cells."""
    flip_flops: int
    """Number of flip-flops."""
    seconds: float
    """Time that synthesis took, in s."""


@dataclass(frozen=True, kw_only=True)
class MappedRecord(CellFigures):
    """The netlist that one recipe made, and its cells."""

    netlist: str | None = None
    """File of the netlist; null if it was not kept."""
    netlist_sha256: str | None = None
    """SHA-256 of that file, in hex digits."""
    json_sha256: str | None = None
    """SHA-256 of the netlist in Yosys' JSON, which is kept beside it, in hex digits."""


@dataclass(frozen=True, kw_only=True)
class SynthesisRecord(Record):
    """Area, delay, energy and proof of a MAC on a cell library."""

    format: str
    """Format of the weights."""
    activation: str
    """Format of the other operand."""
    unit: str = "mac"
    """What was synthesized."""
    architecture: str
    """Architecture of the multiplier."""
    recipe: str
    """The synthesis recipe that made the netlist."""
    terms: int
    """Number of products that a lossless accumulator can add."""
    acc_width: int
    """Width of the accumulator, in bits."""
    overflow: str
    """What the accumulator does on overflow: wrap or saturate."""
    segment: int | None
    """Bits between two carries in registers (carry-save); null for other accumulators."""
    technology: str
    """Name of the cell library."""
    corner: str
    """Process, temperature and voltage of the library."""
    clock_ps: float | None = None
    """Clock period to meet, in ps; null if there is none."""
    area_um2: float
    """Area of all cells, in um^2."""
    area_ge: float
    """Area in gate equivalents: divided by the area of a two-input NAND."""
    multiplier_um2: float | None = None
    """Area of the multiplier, synthesized alone, in um^2."""
    accumulator_um2: float | None = None
    """The area minus the areas of the multiplier and the registers, in um^2."""
    register_um2: float
    """Area of the flip-flops, in um^2."""
    cells: int
    """Number of cells."""
    luts: None = None
    carry_cells: None = None
    flip_flops: int
    """Number of flip-flops."""
    delay_ps: float | None = None
    """Least clock period, in ps, with setup times and without delays of wires."""
    slack_ps: float | None = None
    """The clock period minus the delay, in ps."""
    wns_ps: float | None = None
    """Worst negative slack, in ps; 0 where the clock is met."""
    critical_path: str | None = None
    """Where the slowest path begins and ends, and through how many cells it goes."""
    acc_delay_ps: float | None = None
    """Time from the clock's edge until ``acc`` has settled, in ps."""
    acc_cycles: int | None = None
    """Clock cycles until ``acc`` has settled, if the registers keep their values meanwhile."""
    energy_fj: float | None = None
    """Energy per MAC on ``operands``, in fJ, with clock pins and without glitches."""
    glitch_energy_fj: float | None = None
    """The same energy, in fJ, with the glitches that the cells' delays cause."""
    uniform_energy_fj: float | None = None
    """Energy per MAC on uniformly random codes, in fJ, without glitches."""
    clock_energy_fj: float | None = None
    """The share of ``energy_fj`` that the clock pins of the cells consume, in fJ."""
    leakage_nw: float | None = None
    """Leakage, in nW."""
    not_measured: str | None = None
    """Why delay, energies or leakage are null."""
    operands: str | None = None
    """Name of the set of operands on which ``energy_fj`` was measured."""
    proof: MacProof | None = None
    """What was proved about the netlist; null if no proof was asked for."""
    netlist: str | None = None
    """File of the netlist under ``build/netlists``."""
    multiplier_netlist: str | None = None
    """File of the multiplier's own netlist, also under ``build/netlists``."""
    versions: Mapping[str, str | None]
    """Versions of the tools; ``card`` is a digest of the technology's cells."""
    seconds: float
    """Time that synthesis took, in s."""

    @property
    def pair(self) -> str:
        """The formats as a readable name: one name if both operands share a format."""
        return pair_name(self.format, self.activation)

    @property
    def is_proved(self) -> bool:
        """Whether every claim about the netlist is proved."""
        return self.proof is not None and self.proof.is_proved

    def at_clock(self, clock_ps: float) -> Self:
        """The record of the same netlist for another clock, with its slack at that clock."""
        left, worst = slack(self.delay_ps, clock_ps)
        return replace(
            self,
            clock_ps=clock_ps,
            slack_ps=left,
            wns_ps=worst,
            acc_cycles=acc_cycles(self.acc_delay_ps, clock_ps),
        )


@dataclass(frozen=True, kw_only=True)
class FpgaRecord(Record):
    """The resources that a MAC uses on an FPGA.

    The fields are those of :class:`SynthesisRecord`; those that do not apply to FPGAs are null.
    """

    format: str
    """Format of the weights."""
    activation: str
    """Format of the other operand."""
    unit: str = "mac"
    """What was synthesized."""
    architecture: str
    """Architecture of the multiplier."""
    recipe: str
    """The Yosys command that synthesizes for this family of FPGAs."""
    terms: int
    """Number of products that a lossless accumulator can add."""
    acc_width: int
    """Width of the accumulator, in bits."""
    overflow: str
    """What the accumulator does on overflow: wrap or saturate."""
    segment: int | None
    """Bits between two carries in registers (carry-save); null for other accumulators."""
    technology: str
    """Family of FPGAs."""
    corner: None = None
    clock_ps: None = None
    area_um2: None = None
    area_ge: None = None
    multiplier_um2: None = None
    accumulator_um2: None = None
    register_um2: None = None
    cells: int
    """Number of cells of all kinds."""
    luts: int
    """Number of lookup tables."""
    carry_cells: int
    """Number of carry cells."""
    flip_flops: int
    """Number of flip-flops."""
    delay_ps: None = None
    slack_ps: None = None
    wns_ps: None = None
    critical_path: None = None
    acc_delay_ps: None = None
    acc_cycles: None = None
    energy_fj: None = None
    glitch_energy_fj: None = None
    uniform_energy_fj: None = None
    clock_energy_fj: None = None
    leakage_nw: None = None
    not_measured: None = None
    operands: None = None
    proof: None = None
    netlist: None = None
    multiplier_netlist: None = None
    versions: Mapping[str, str | None]
    """Versions of the tools."""
    seconds: float
    """Time that synthesis took, in s."""

    @property
    def pair(self) -> str:
        """The formats as a readable name: one name if both operands share a format."""
        return pair_name(self.format, self.activation)
