"""Records of synthesis: of MACs on cell libraries and FPGAs, and of each stored netlist.

A field is None where its value is not known or does not apply.
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
    """Cells of the netlist."""
    flip_flops: int
    """Flip-flops of the netlist."""
    seconds: float
    """Time that synthesis took, in s."""


@dataclass(frozen=True, kw_only=True)
class MappedRecord(CellFigures):
    """A netlist that one recipe gave, and its cells."""

    netlist: str | None = None
    """File of the netlist; null if it was not kept."""
    netlist_sha256: str | None = None
    """SHA-256 of that file, in hex digits."""
    json_sha256: str | None = None
    """SHA-256 of the netlist in Yosys' JSON, which is kept beside it, in hex digits."""


@dataclass(frozen=True, kw_only=True)
class SynthesisRecord(Record):
    """What a MAC takes on a cell library."""

    format: str
    """Format of the weights."""
    activation: str
    """Format of the other operand."""
    unit: str = "mac"
    """What was synthesized."""
    architecture: str
    """Architecture of the multiplier."""
    recipe: str
    """Recipe of synthesis that gave the netlist."""
    terms: int
    """Products that the accumulator holds without loss."""
    acc_width: int
    """Width of the accumulator, in bits."""
    overflow: str
    """What the accumulator does on overflow: wrap or saturate."""
    segment: int | None
    """Bits of the accumulator between the carries of carry-save; null without it."""
    technology: str
    """Name of the cell library."""
    corner: str
    """Process, temperature and voltage of the library."""
    clock_ps: float | None = None
    """Clock period to meet, in ps; null if there is none."""
    area_um2: float
    """Area of all cells, in um^2."""
    area_ge: float
    """Area in gate equivalents: areas of a two-input NAND."""
    multiplier_um2: float | None = None
    """Area of the multiplier synthesized alone, in um^2."""
    accumulator_um2: float | None = None
    """The area without multiplier and registers, in um^2."""
    register_um2: float
    """Area of the flip-flops, in um^2."""
    cells: int
    """Cells of the netlist."""
    luts: None = None
    carry_cells: None = None
    flip_flops: int
    """Flip-flops."""
    delay_ps: float | None = None
    """Least clock period, in ps: with setup, without wires."""
    slack_ps: float | None = None
    """The clock period minus the delay, in ps."""
    wns_ps: float | None = None
    """Worst negative slack, in ps; 0 where the clock is met."""
    critical_path: str | None = None
    """Where the slowest path begins and ends, and through how many cells it goes."""
    acc_delay_ps: float | None = None
    """Time from the clock's edge until ``acc`` has settled, in ps."""
    acc_cycles: int | None = None
    """Clock cycles until ``acc`` has settled, while the registers keep their values."""
    energy_fj: float | None = None
    """Energy per MAC on the operands, in fJ: with the clock's pins, without glitches."""
    glitch_energy_fj: float | None = None
    """Energy per MAC, in fJ, with the glitches that the cells' delays cause."""
    uniform_energy_fj: float | None = None
    """Energy per MAC on codes drawn uniformly, in fJ."""
    clock_energy_fj: float | None = None
    """The part of the energy that the clock's pins take, in fJ."""
    leakage_nw: float | None = None
    """Leakage, in nW."""
    not_measured: str | None = None
    """Why delay or energies are null."""
    operands: str | None = None
    """What the energies were measured on."""
    proof: MacProof | None = None
    """What was proved of the netlist; null if no proof was asked for."""
    netlist: str | None = None
    """File of the netlist under ``build/netlists``."""
    multiplier_netlist: str | None = None
    """File of the multiplier's own netlist."""
    versions: Mapping[str, str | None]
    """Versions of the tools; ``card`` is a digest of the library."""
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
        """The same netlist at another clock, with its slack at that clock."""
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
    """What a MAC takes on an FPGA, with the fields of :class:`SynthesisRecord`."""

    format: str
    """Format of the weights."""
    activation: str
    """Format of the other operand."""
    unit: str = "mac"
    """What was synthesized."""
    architecture: str
    """Architecture of the multiplier."""
    recipe: str
    """Yosys' command for the family."""
    terms: int
    """Products that the accumulator holds without loss."""
    acc_width: int
    """Width of the accumulator, in bits."""
    overflow: str
    """What the accumulator does on overflow: wrap or saturate."""
    segment: int | None
    """Bits of the accumulator between the carries of carry-save; null without it."""
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
    """All cells, of every kind."""
    luts: int
    """Lookup tables."""
    carry_cells: int
    """Carry cells."""
    flip_flops: int
    """Flip-flops."""
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
