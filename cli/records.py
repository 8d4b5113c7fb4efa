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
    """A number format: its codes and their values."""

    name: str
    """Name, as other commands take it."""
    title: str
    """The name that people read."""
    bits: int
    """Bits of a code."""
    family: str
    """How the values are made."""
    ties: str
    """Rounding of midpoints: down (to the lower value) or even (to the even code)."""
    quantum: str
    """Greatest number that divides every value, exact."""
    values: tuple[str, ...]
    """Values in code order, exact."""
    integers: tuple[int, ...]
    """Values divided by the quantum, in code order."""
    nan_codes: tuple[int, ...]
    """Codes that stand for NaN."""
    integer_width: int
    """Bits of the integers in two's complement."""
    magnitude_width: int
    """Bits of the integers' magnitudes."""
    acc_width_256: int
    """Bits of an accumulator that sums 256 products of this format's values without overflow."""
    source: str
    """Where the values come from."""


@dataclass(frozen=True, kw_only=True)
class CardRecord(Record):
    """A technology card: a small cell library."""

    name: str
    """Name, as --tech takes it."""
    title: str
    """The name that people read."""
    corner: str
    """Process, temperature and voltage."""
    cells: int
    """Number of cells in the card."""
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
    """Degrees of freedom of Student's t; null for other distributions."""
    from_: str | None
    """The model that nu comes from; null if nu was given or is not needed."""
    method: str
    """How levels are chosen."""
    bits: int
    """Bits of a code."""
    lut_bits: int
    """Bits of a value in hardware, with its sign. The levels are rounded to such values."""
    block: int
    """Number of values that share a scale."""
    levels: tuple[float, ...]
    """The derived levels, which become the format's values when they are rounded."""
    values: tuple[str, ...]
    """Values of the format, exact."""
    relative_mse: float | None
    """Mean squared error divided by the mean square of the values; null if the distribution has no
    finite variance."""
    distance_db: float | None
    """How many dB the SQNR is below that of the best possible values; null if ``relative_mse`` is
    null."""
    entropy: float | None
    """Bits per code if codes are entropy-coded; null if ``relative_mse`` is null."""


@dataclass(frozen=True, kw_only=True)
class AssignmentRecord(Record):
    """A format with its codes in the order that gives the smallest MAC found."""

    format: str
    """Format of the weights, whose codes are put in another order."""
    activation: str
    """Format of the activations."""
    permuted: str
    """Name of the permuted format."""
    values: tuple[str, ...]
    """Values of the permuted format in code order, exact."""
    technology: str
    """Name of the cell library."""
    corner: str
    """Process, temperature and voltage of the library."""
    terms: int
    """Number of products that the accumulator can sum without overflow."""
    area_um2: float
    """Area of the MAC, in um^2."""
    architecture: str
    """Architecture from which the annealing of that MAC's multiplier started."""
    given_um2: float
    """Area of the MAC with the codes as given, in um^2."""
    given_architecture: str
    """Architecture from which the annealing of the multiplier for the given codes started."""
    moves: int
    """Number of changes that the annealing of each multiplier tries."""
    orders: int
    """Number of orders that were tried."""
    seed: int
    """Seed of the random orders."""
    output: str
    """File of the permuted format."""
    versions: Mapping[str, str | None]
    """Versions of the tools."""


@dataclass(frozen=True, kw_only=True)
class GatesRecord(Record):
    """A multiplier of two formats, built of logic gates."""

    format: str
    """Format of the weights."""
    activation: str
    """Format of the activations."""
    unit: str
    """What the gates compute."""
    gates: int
    """Number of all gates."""
    and_: int
    """Number of AND gates."""
    or_: int
    """Number of OR gates."""
    xor: int
    """Number of XOR gates."""
    not_: int
    """Number of NOT gates."""
    architecture: str
    """Architecture from which the annealing that found the gates started."""
    moves: int
    """Number of changes that each annealing tries."""
    seed: int
    """Seed of the annealing that found the gates."""
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
    """Lanes of a decoder; null for other units."""
    verilog: str
    """The Verilog file that was written."""
    versions: Mapping[str, str | None]
    """Versions of the tools."""
