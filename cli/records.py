"""Records of commands that list things or write files."""

from collections.abc import Mapping
from dataclasses import dataclass

from halfbyte.base import Record

__all__ = [
    "AssignmentRecord",
    "CardRecord",
    "DerivationRecord",
    "FormatRecord",
    "GatesRecord",
    "UnitFileRecord",
]


@dataclass(frozen=True, kw_only=True)
class FormatRecord(Record):
    """A format."""

    name: str
    """Name, as other commands take it."""
    title: str
    """The name that people read."""
    bits: int
    """Bits of a code."""
    family: str
    """How the values are made."""
    ties: str
    """Where midpoints go: down or even."""
    quantum: str
    """Greatest number that divides every value, exact."""
    values: tuple[str, ...]
    """Values in code order, exact."""
    integers: tuple[int, ...]
    """Values over the quantum."""
    nan_codes: tuple[int, ...]
    """Codes that stand for NaN."""
    integer_width: int
    """Bits of the integers in two's complement."""
    magnitude_width: int
    """Bits of their magnitudes."""
    acc_width_256: int
    """Bits of an accumulator that sums 256 products of two values of this format without loss."""
    source: str
    """Where the values come from."""


@dataclass(frozen=True, kw_only=True)
class CardRecord(Record):
    """A technology card."""

    name: str
    """Name, as --tech takes it."""
    title: str
    """The name that people read."""
    corner: str
    """Process, temperature and voltage."""
    cells: int
    """Cells of the card."""
    nand2_um2: float
    """Area of a two-input NAND, in um^2: one gate equivalent."""
    source: str
    """Where the library comes from."""
    licence: str
    """Licence of the library."""


@dataclass(frozen=True, kw_only=True)
class DerivationRecord(Record):
    """A format that was derived from a distribution."""

    format: str
    """Name of the format."""
    file: str
    """File of the format."""
    distribution: str
    """Distribution that the levels are made for, such as student_t."""
    nu: float | None
    """Degrees of freedom of Student's t."""
    from_: str | None
    """The model that nu comes from."""
    method: str
    """How levels are chosen."""
    bits: int
    """Bits of a code."""
    lut_bits: int
    """Bits of a table entry. Levels are rounded to values that fit."""
    block: int
    """Values that share a scale."""
    levels: tuple[float, ...]
    """Levels before they are rounded."""
    values: tuple[str, ...]
    """Values of the format, exact."""
    relative_mse: float | None
    """Mean squared error over the mean square; null if the distribution has no variance."""
    distance_db: float | None
    """By how many dB the SQNR is below that of the best levels."""
    entropy: float | None
    """Bits per code if codes are entropy-coded."""


@dataclass(frozen=True, kw_only=True)
class AssignmentRecord(Record):
    """A format's codes in the best order that was found."""

    format: str
    """Format whose codes were ordered: that of the weights."""
    activation: str
    """Format of the other operand."""
    permuted: str
    """Name of the permuted format."""
    values: tuple[str, ...]
    """Values of the permuted format in code order, exact."""
    technology: str
    """Name of the cell library."""
    corner: str
    """Process, temperature and voltage of the library."""
    terms: int
    """Products that the accumulator holds without loss."""
    area_um2: float
    """Area of the MAC, in um^2."""
    architecture: str
    """Architecture that the annealing of its multiplier started from."""
    given_um2: float
    """Area of the MAC with the codes as given, in um^2."""
    given_architecture: str
    """Architecture that the annealing of that MAC's multiplier started from."""
    moves: int
    """Moves in the annealing of each multiplier."""
    orders: int
    """Orders that were tried."""
    seed: int
    """Seed of the orders."""
    output: str
    """File of the permuted format."""
    versions: Mapping[str, str | None]
    """Versions of the tools."""


@dataclass(frozen=True, kw_only=True)
class GatesRecord(Record):
    """A multiplier of two formats, built of gates that each count as one."""

    format: str
    """Format of the weights."""
    activation: str
    """Format of the other operand."""
    unit: str
    """What the gates compute."""
    gates: int
    """Gates in all."""
    and_: int
    """AND gates."""
    or_: int
    """OR gates."""
    xor: int
    """XOR gates."""
    not_: int
    """NOT gates."""
    architecture: str
    """Architecture that the search started from."""
    moves: int
    """Moves of the annealing."""
    seed: int
    """Seed with which it was found."""
    versions: Mapping[str, str | None]
    """Versions of the tools."""
    output: str | None
    """File that was written."""


@dataclass(frozen=True, kw_only=True)
class UnitFileRecord(Record):
    """A unit written as Verilog."""

    unit: str
    """``dfloat11`` or ``bf16_mac``."""
    module: str
    """Name of the Verilog module."""
    lanes: int | None
    """Lanes of a decoder."""
    verilog: str
    """File that was written, with the unit as Verilog."""
    versions: Mapping[str, str | None]
    """Versions of the tools."""
