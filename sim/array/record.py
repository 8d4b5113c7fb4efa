"""The record of a layer that ran through an array."""

from dataclasses import dataclass

from halfbyte.base import Record

__all__ = ["LayerRun"]


@dataclass(frozen=True, kw_only=True)
class LayerRun(Record):
    """One layer of a model through the RTL of an array."""

    model: str
    """The model."""
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
    """Products a cycle of each unit."""
    rows: int
    """Units down: tokens at a time."""
    columns: int
    """Units across: outputs at a time."""
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
    """Clock cycles, with those that fill and empty the array."""
    utilization: float
    """Part of the array's products that the layer needed, 0 to 1."""
    sqnr_db: float | None
    """Signal to noise against the layer in FP32, in dB; null without noise or without signal."""
    energy_nj: float | None
    """Energy of all products, in nJ; null if not requested or not known."""
    technology: str | None
    """The cell library of the energy."""
    build_seconds: float
    """Time to compile the simulation, in s."""
    seconds: float
    """Total time, in s."""
