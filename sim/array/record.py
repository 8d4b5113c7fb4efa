"""Defines the records of systolic arrays: of a computed layer, of a regression, of an export."""

from collections.abc import Mapping
from dataclasses import dataclass

from halfbyte.base import Record
from halfbyte.rtl.dot.record import DotFields

__all__ = ["ArrayExport", "ArraySimulation", "LayerRun"]


@dataclass(frozen=True, kw_only=True)
class LayerRun(Record):
    """One layer of a model, computed with the RTL of an array."""

    model: str
    """The model, as the user named it."""
    layer: str
    """The layer's name in the model."""
    format: str
    """Format of the weights."""
    activation: str
    """Format of the layer's inputs."""
    scale: str
    """Format of the block scales."""
    block: int
    """Number of products that share a scale."""
    lanes: int
    """Number of products that each unit computes per cycle."""
    dataflow: str
    """What stays in a unit of the array while other data moves: ``output`` or ``weight``."""
    rows: int
    """Number of rows of the array."""
    columns: int
    """Number of columns of the array; each computes one output of the layer at a time."""
    depth: int | None
    """Number of tokens whose sums a column holds; null for an output-stationary array."""
    inputs: int
    """Number of inputs of the layer."""
    outputs: int
    """Number of outputs of the layer."""
    tokens: int
    """Number of tokens of text: rows of the layer's input matrix."""
    results: int
    """Results whose bits were compared with the golden model; all are equal."""
    host_build: str
    """What the CUDA kernels give on the CPU: ``the same bits``, or how many results differ."""
    cycles: int
    """Clock cycles, including those that fill and empty the array."""
    utilization: float
    """The layer's products as a share of all that the array could compute in its cycles, 0 to 1."""
    sqnr_db: float | None
    """Signal-to-noise ratio against the layer in FP32, in dB; null without noise or signal."""
    energy_nj: float | None
    """Energy of all products, in nJ; null if not requested or not known."""
    technology: str | None
    """The cell library for which the energy was computed; null if it was not requested."""
    build_seconds: float
    """Time to compile the simulation, in s."""
    seconds: float
    """Total time, in s."""


@dataclass(frozen=True, kw_only=True)
class ArraySimulation(DotFields):
    """A matrix product that the RTL of an array computed with the same bits as the golden model."""

    dataflow: str
    """What stays in a unit of the array while other data moves: ``output`` or ``weight``."""
    rows: int
    """Number of rows of the array."""
    columns: int
    """Number of columns of the array."""
    depth: int | None
    """Number of tokens whose sums a column holds; null for an output-stationary array."""
    simulator: str
    """Simulator that ran it: ``icarus`` or ``verilator``."""
    seed: int
    """Seed of the operands."""
    inputs: int
    """Number of products that are added for one result."""
    outputs: int
    """Number of columns of the result matrix."""
    tokens: int
    """Number of tokens (rows of the result matrix)."""
    results: int
    """Number of results that were compared."""
    products: int
    """Number of products in the results that were compared."""
    cycles: int
    """Clock cycles, including those that fill and empty the array."""
    passed: bool
    """Whether all results agreed."""
    versions: Mapping[str, str | None]
    """Versions of the tools."""
    build_seconds: float
    """Time to build the simulation, in s."""
    seconds: float
    """Total time, in s."""


@dataclass(frozen=True, kw_only=True)
class ArrayExport(DotFields):
    """An array written as Verilog, with vectors and a bench."""

    dataflow: str
    """What stays in a unit of the array while other data moves: ``output`` or ``weight``."""
    rows: int
    """Number of rows of the array."""
    columns: int
    """Number of columns of the array."""
    depth: int | None
    """Number of tokens whose sums a column holds; null for an output-stationary array."""
    module: str
    """Name of the Verilog module."""
    count: int
    """Number of test vectors, one for each clock cycle."""
    results: int
    """Number of results that the bench compares."""
    seed: int
    """Seed of the operands."""
    verilog: str
    """File with the Verilog of the array and of all modules in it."""
    vectors: str
    """File of the test vectors."""
    bench: str
    """File of the bench."""
    versions: Mapping[str, str | None]
    """Versions of the tools."""
