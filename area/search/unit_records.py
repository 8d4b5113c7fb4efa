"""Records of the units for BF16: the DFloat11 decoders and the BF16 MAC."""

from collections.abc import Mapping
from dataclasses import dataclass

from halfbyte.area.proofs.results import ProofStatus, UnitProof
from halfbyte.area.search.records import CellFigures
from halfbyte.area.timing.unit_energy import DecoderEnergy, MacEnergy
from halfbyte.base import Record

__all__ = [
    "Bf16MacProof",
    "Bf16MacRecord",
    "DecoderProof",
    "DecoderRecord",
    "UnitFigures",
    "UnitPart",
    "UnitRecord",
]


@dataclass(frozen=True, kw_only=True)
class UnitPart(CellFigures):
    """A part of a unit, synthesized alone, and the proof of its netlist."""

    delay_ps: float | None
    """Least clock period, in ps; null if the technology has no timing tables."""
    proof: UnitProof
    """The proof that the netlist equals its RTL."""


@dataclass(frozen=True, kw_only=True)
class UnitFigures(Record):
    """What is stored about a unit: the results for its parts, and its energies."""

    parts: Mapping[str, UnitPart]
    """The parts, by name."""
    measured: DecoderEnergy | MacEnergy | None
    """Energies and leakage; null if nothing was to be measured."""


@dataclass(frozen=True, kw_only=True)
class Bf16MacProof(ProofStatus):
    """What was proved about the BF16 MAC."""

    netlist: str
    """Whether the netlist does what its RTL does."""
    multiplier_netlist: str
    """Whether the netlist of the exact product alone does what its RTL does."""
    method: str
    """The method of each proof."""
    seconds: float
    """Time that the proofs took, in s."""


@dataclass(frozen=True, kw_only=True)
class DecoderProof(ProofStatus):
    """What was proved about the DFloat11 decoder, which loads a code table or uses fixed codes."""

    lane_netlist: str
    """Whether a lane's netlist does what its RTL does."""
    table_netlist: str | None
    """Whether the code table's netlist does what its RTL does; null for fixed codes."""
    progress: str
    """Whether a lane never hangs."""
    method: str
    """The method of each proof."""
    seconds: float
    """Time that the proofs took, in s."""
    claim: str
    """What the proof of ``progress`` claims."""


@dataclass(frozen=True, kw_only=True)
class UnitRecord(Record):
    """Area, delay and energy of a unit for BF16; fields that do not apply are null."""

    format: str = "bf16"
    """Format of the weights."""
    activation: str | None
    """Format of the other operand; null for a decoder."""
    unit: str
    """What was synthesized."""
    architecture: str
    """The unit's architecture."""
    recipe: str
    """The synthesis recipe."""
    terms: None = None
    acc_width: int | None = None
    """Width of the accumulator, in bits."""
    technology: str
    """Name of the cell library."""
    corner: str
    """Process, temperature and voltage of the library."""
    clock_ps: None = None
    area_um2: float
    """Area of all cells, in um^2."""
    area_ge: float
    """Area in gate equivalents: the area divided by that of a two-input NAND."""
    multiplier_um2: float | None = None
    """Area of the logic for the exact product, synthesized alone, in um^2."""
    accumulator_um2: float | None = None
    """The area minus the areas of this logic and of the registers, in um^2."""
    delay_ps: float | None
    """Least clock period, in ps, with setup times and without delays of wires."""
    energy_fj: float | None
    """Energy per MAC or per decoded weight, in fJ, with clock pins and without glitches."""
    glitch_energy_fj: float | None
    """The same energy, in fJ, with the glitches that the cells' delays cause."""
    uniform_energy_fj: None = None
    clock_energy_fj: float | None
    """The share of ``energy_fj`` that the clock pins of the cells consume, in fJ."""
    leakage_nw: float | None
    """Leakage, in nW."""
    not_measured: str | None
    """Why delay, energies or leakage are null."""
    proof: ProofStatus
    """What was proved about the netlists."""
    register_um2: float
    """Area of the flip-flops, in um^2."""
    cells: int
    """Number of cells."""

    @property
    def is_proved(self) -> bool:
        """Whether every claim about the netlists is proved."""
        return self.proof.is_proved


@dataclass(frozen=True, kw_only=True)
class Bf16MacRecord(UnitRecord):
    """Area, delay and energy of a BF16 MAC with FP32 accumulation."""

    proof: Bf16MacProof
    """What was proved about the netlists."""
    seconds: float
    """Time that synthesis took, in s."""
    versions: Mapping[str, str | None]
    """Versions of the tools; ``card`` is a digest of the technology's cells."""


@dataclass(frozen=True, kw_only=True)
class DecoderRecord(UnitRecord):
    """Area, delay and energy of a DFloat11 decoder."""

    proof: DecoderProof
    """What was proved about the netlists."""
    lanes: int
    """Number of lanes; each lane decodes a stream of its own."""
    symbols: int
    """The most weights that a lane decodes in a cycle."""
    codes: str
    """``table`` for a decoder that loads a code table, ``fixed`` for one without a table."""
    rows: int | None
    """Rows of the code table; null without a table."""
    max_length: int | None
    """Bits of the longest code that the table can hold; null without a table."""
    lane_um2: float
    """Area of a lane, in um^2."""
    table_um2: float | None
    """Area of the code table with its loader, in um^2; null without a table."""
    um2_per_lane: float
    """Area of a lane with its share of the table, in um^2."""
    um2_per_symbol: float
    """``um2_per_lane`` divided by ``symbols``, in um^2."""
    um2_per_bit: float
    """``um2_per_symbol`` divided by the 16 bits of a weight, in um^2."""
    symbols_per_cycle: int
    """The most weights that all lanes together decode in a cycle."""
    seconds: float
    """Time that synthesis took, in s."""
    versions: Mapping[str, str | None]
    """Versions of the tools; ``card`` is a digest of the technology's cells."""
