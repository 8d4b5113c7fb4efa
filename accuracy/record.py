"""The record of an evaluation: a format on a model, with intervals."""

from collections.abc import Mapping
from dataclasses import dataclass

from halfbyte.base import JsonObject, Record

__all__ = ["EvaluationRecord", "MeasureRecord"]


@dataclass(frozen=True, kw_only=True)
class MeasureRecord(Record):
    """One measure of a quantized model, with 95 % intervals from the bootstrap."""

    title: str
    """What is measured, for people."""
    unit: str
    """Its unit."""
    higher_is_better: bool
    """Whether a greater value is better."""
    value: float
    """The quantized model's figure."""
    low: float
    """Lower end of its 95 % interval."""
    high: float
    """Upper end of its 95 % interval."""
    baseline: float
    """The unquantized model's figure."""
    loss: float
    """Relative worsening against the baseline: 0.01 for 1 %."""
    loss_low: float
    """Lower end of the 95 % interval of the loss, from paired differences."""
    loss_high: float
    """Upper end of that interval."""


@dataclass(frozen=True, kw_only=True)
class EvaluationRecord(Record):
    """How accurate a model stays in a format."""

    format: str
    """Name of the format."""
    model: str
    """The model."""
    model_sha256: str
    """Digest of the model's weights."""
    text: str
    """The text, or the tasks, that it was measured on."""
    text_sha256: str
    """Digest of the text."""
    context: int | None
    """Tokens that a causal model sees at a time; null for others."""
    items: int
    """Pieces of the text, over which the bootstrap draws."""
    item: str
    """What a piece is."""
    recipe: str
    """Recipe of quantization."""
    recipe_parameters: JsonObject
    """Everything that the recipe says."""
    bits_per_weight: float
    """Bits stored for a weight, with its share of the block's scale."""
    measures: Mapping[str, MeasureRecord]
    """By name, the first of which ranks formats."""
    sqnr_db: float | None
    """Signal over quantization noise of all weights, in dB; null if there is no noise."""
    optimum_gap_db: Mapping[str, float]
    """SQNR lost to the best levels there are, in dB, by distribution of the weights."""
    layers: Mapping[str, float]
    """SQNR in dB by layer."""
    versions: Mapping[str, str | None]
    """Versions of the libraries."""
    seconds: float
    """Time that it took, in s."""

    @property
    def primary(self) -> MeasureRecord:
        """The measure that ranks formats."""
        return next(iter(self.measures.values()))
