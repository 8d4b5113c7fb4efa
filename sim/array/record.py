"""The records of what runs through an array: a layer, a test product, an export."""

from collections.abc import Mapping
from dataclasses import dataclass

from halfbyte.base import Record
from halfbyte.rtl.dot.record import DotFields

__all__ = ["ArrayExport", "ArraySimulation", "LayerRun"]


@dataclass(frozen=True, kw_only=True)
class LayerRun(Record):
    """One layer of a model through the RTL of an array."""

    model: str
    """Model whose layer it is, as the user named it."""
    layer: str
    """The layer's name in the model."""
    format: str
    """Format of the weights."""
    activation: str
    """Format of the layer's inputs."""
    scale: str
    """Format of the block scales."""
    block: int
    """Products that share a scale."""
    lanes: int
    """Products per cycle of each unit."""
    dataflow: str
    """What stays in an element: output or weight."""
    rows: int
    """Units down."""
    columns: int
    """Units across: outputs at a time."""
    depth: int | None
    """Tokens whose sums a column holds; null in an output-stationary array."""
    inputs: int
    """The layer's inputs."""
    outputs: int
    """The layer's outputs."""
    tokens: int
    """Tokens of text."""
    results: int
    """Results compared with the golden model, as bits; all are equal."""
    host_build: str
    """Whether the kernels' host build gave the same bits, or why they cannot be compared."""
    cycles: int
    """Clock cycles, including those that fill and empty the array."""
    utilization: float
    """Share of the array's products that the layer needed, 0 to 1."""
    sqnr_db: float | None
    """Signal-to-noise ratio against the layer in FP32, in dB; null without noise or signal."""
    energy_nj: float | None
    """Energy of all products, in nJ; null if not requested or not known."""
    technology: str | None
    """The cell library of the energy."""
    build_seconds: float
    """Time to compile the simulation, in s."""
    seconds: float
    """Total time, in s."""


@dataclass(frozen=True, kw_only=True)
class ArraySimulation(DotFields):
    """A matrix product through the RTL of an array, equal to the golden model's as bits."""

    dataflow: str
    """What stays in an element: output or weight."""
    rows: int
    """Units down."""
    columns: int
    """Units across."""
    depth: int | None
    """Tokens whose sums a column holds; null in an output-stationary array."""
    simulator: str
    """Simulator that ran it: ``icarus`` or ``verilator``."""
    seed: int
    """Seed of the operands."""
    inputs: int
    """Products of a result."""
    outputs: int
    """Results of a token."""
    tokens: int
    """Rows of results."""
    results: int
    """Results that were compared."""
    products: int
    """Products in these results."""
    cycles: int
    """Clock cycles, including those that fill and empty the array."""
    passed: bool
    """Whether none differed."""
    versions: Mapping[str, str | None]
    """Versions of the tools."""
    build_seconds: float
    """Time that building took, in s."""
    seconds: float
    """Time that everything took, in s."""


@dataclass(frozen=True, kw_only=True)
class ArrayExport(DotFields):
    """An array written as Verilog, with vectors and a bench."""

    dataflow: str
    """What stays in an element: output or weight."""
    rows: int
    """Units down."""
    columns: int
    """Units across."""
    depth: int | None
    """Tokens whose sums a column holds; null in an output-stationary array."""
    module: str
    """Name of the Verilog module."""
    count: int
    """Test vectors, one for each clock cycle."""
    results: int
    """Results that the bench compares."""
    seed: int
    """Seed of the operands."""
    verilog: str
    """File of the array, its elements and units."""
    vectors: str
    """File of the vectors."""
    bench: str
    """File of the bench."""
    versions: Mapping[str, str | None]
    """Versions of the tools."""
