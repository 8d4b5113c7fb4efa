"""The record of an evaluation of one format on one model."""

from collections.abc import Mapping
from dataclasses import dataclass

from halfbyte.base import JsonObject, Record

__all__ = ["EvaluationRecord", "MeasureRecord"]


@dataclass(frozen=True, kw_only=True)
class MeasureRecord(Record):
    """One measure of a quantized model, with 95 % intervals from the bootstrap."""

    title: str
    """What is measured, as people read it."""
    unit: str
    """Unit of the values."""
    higher_is_better: bool
    """Whether a greater value is better."""
    value: float | None
    """The measure of the quantized model."""
    low: float | None
    """Lower end of the 95 % interval for ``value``."""
    high: float | None
    """Upper end of the 95 % interval for ``value``."""
    baseline: float | None
    """The measure of the unquantized model."""
    loss: float | None
    """Relative worsening against the baseline: 0.01 for 1 %."""
    loss_low: float | None
    """Lower end of the 95 % interval for the loss. Both models are measured on the same draws."""
    loss_high: float | None
    """Upper end of the 95 % interval for the loss."""
    note: str | None = None
    """Why some numbers are null; the note is null if all numbers are known."""


@dataclass(frozen=True, kw_only=True)
class EvaluationRecord(Record):
    """How accurate a model stays when it is quantized to a format."""

    format: str
    """Name of the format."""
    model: str
    """Name of the model that was evaluated."""
    model_sha256: str
    """Digest of the model's weights and JSON files."""
    files_sha256: str
    """Digest of the model's other files, such as tokenizer merges and code."""
    text: str
    """The text, or the tasks, that the model was measured on."""
    text_sha256: str
    """Digest of the text or the tasks."""
    context: int | None
    """The greatest number of tokens that a causal model sees at a time. A model whose own limit is
    lower sees fewer. Null for encoders and tasks."""
    bos: str | None
    """Where a causal model's beginning-of-text token stands: before the ``text``, before every
    ``window``, or nowhere (``none``). Null for encoders, tasks and models that read bytes."""
    stored: JsonObject | None
    """The format in which the model's files hold the weights; null if they are not quantized."""
    items: int
    """Number of items: windows, texts or documents, from which the bootstrap draws."""
    item: str
    """What the items are, such as ``texts``."""
    recipe: str
    """Name of the recipe, which says what is quantized and how."""
    recipe_parameters: JsonObject
    """All settings of the recipe."""
    bits_per_weight: float
    """Mean bits stored per weight, with block scales. All weights that are multiplied count,
    whether they are quantized or not."""
    measures: Mapping[str, MeasureRecord]
    """Measures by name. The first one ranks formats."""
    sqnr_db: float | None
    """Signal-to-quantization-noise ratio (SQNR) of all weights in dB; null if no weight changed."""
    optimum_gap_db: Mapping[str, float]
    """How many dB the SQNR of the format is below that of optimal values. The keys are the
    distributions of the weights: ``normal``, and ``student_t_5`` for Student's t with 5 degrees of
    freedom."""
    layers: Mapping[str, float | None]
    """SQNR in dB by layer; null for a layer without noise."""
    unquantized: Mapping[str, str]
    """Weights that are not quantized, and why. Embeddings are left out: they are only looked up."""
    not_calibrated: tuple[str, ...]
    """Weights that were rounded to nearest because calibration did not see their inputs."""
    inputs_unquantized: tuple[str, ...]
    """Weights whose inputs were not quantized although the recipe quantizes activations."""
    versions: Mapping[str, str | None]
    """Versions of Python, halfbyte and the libraries."""
    seconds: float
    """Time that the evaluation took, in s."""

    @property
    def primary(self) -> MeasureRecord:
        """The measure that ranks formats."""
        return next(iter(self.measures.values()))
