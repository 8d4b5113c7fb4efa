"""Evaluate formats on a model, and store the results as records and bootstrap replicates.

A recipe says what is quantized in the model, and how. A measure, such as bits per byte, says how
good the model is; its loss says how much worse the model is than before quantization. Items are
texts, windows of a text, or documents of a task. In each draw, the bootstrap picks items at random,
with replacement. A replicate is the value of a measure for one draw. The replicates give the 95 %
intervals.
"""

import io
import math
import platform
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from halfbyte.accuracy.models.reference import Fingerprint, ModelReference
from halfbyte.accuracy.record import EvaluationRecord, MeasureRecord
from halfbyte.base import (
    Progress,
    RecordError,
    RecordStore,
    build_dir,
    code_fingerprint,
    content_key,
    versions_of,
    write_atomically,
)
from halfbyte.formats import Format

if TYPE_CHECKING:
    from halfbyte.accuracy.models.subject import Outputs, Subject
    from halfbyte.accuracy.recipes import Recipe
    from halfbyte.golden.layers import Kept, Survey

__all__ = ["Evaluation", "evaluate"]

# The values that are optimal for a distribution depend on the block size. This size is used if the
# recipe does not quantize weights, or gives one scale to a whole row.
DEFAULT_BLOCK = 128
_VERSIONED = ("torch", "transformers", "tokenizers", "numpy")
_TASK_VERSIONED = ("lm_eval", "datasets")


@dataclass(frozen=True, eq=False)
class Evaluation:
    """The evaluation of one format on one model.

    Parameters
    ----------
    record : EvaluationRecord
        The inputs, the measures with their 95 % intervals, the quantization noise, and versions.
    replicates : mapping of str to ndarray
        Bootstrap replicates of each measure by its name; one float64 for each draw. All formats
        share the same draws. ``NAME_loss`` has those of measure ``NAME``'s relative loss, or of its
        difference from the baseline where there is no relative loss.
    """

    record: EvaluationRecord
    replicates: dict[str, np.ndarray]

    @property
    def format(self) -> str:
        """Name of the format."""
        return self.record.format

    @property
    def primary(self) -> str:
        """Name of the measure that ranks formats."""
        return next(iter(self.record.measures))

    def losses(self) -> np.ndarray:
        """Replicates of the primary measure's relative loss; one float64 for each draw.

        Where there is no relative loss, they are replicates of the difference from the baseline.
        """
        return self.replicates[f"{self.primary}_loss"]

    @property
    def worsening(self) -> float:
        """The primary measure's relative loss, or its difference from the baseline if none exists.

        Positive is worse. Infinite if the quantized or the unquantized model has no finite value.
        """
        measure = self.record.primary
        if measure.loss is not None:
            return measure.loss
        if measure.value is None or measure.baseline is None:
            return math.inf
        return (-1.0 if measure.higher_is_better else 1.0) * (measure.value - measure.baseline)


def evaluate(
    reference: ModelReference,
    formats: Sequence[Format],
    recipe: "Recipe",
    *,
    on_progress: Progress | None = None,
) -> list[Evaluation]:
    """Quantize the model to each format by the recipe, and measure it.

    Results are stored under a key that depends on the model, the text, the recipe, the format, the
    code and the versions of libraries. Stored results are not computed again. So after an
    interruption, only the missing formats are evaluated. Each result is stored as soon as it is
    known. For every measure, a record has ``value`` with its 95 % interval ``low`` to
    ``high``, and the unquantized model's ``baseline``. ``loss`` is the relative worsening against
    the baseline. Its interval comes from draws that the quantized and the unquantized model share.

    Parameters
    ----------
    reference : ModelReference
        The model and its text.
    formats : sequence of Format
        The formats to quantize to.
    recipe : Recipe
        What is quantized, and how.
    on_progress : callable, optional
        Called with ``(done, total, label)``.

    Returns
    -------
    list of Evaluation
        One for each format, in the order of ``formats``.

    Raises
    ------
    UserError
        The model or its text cannot be loaded, or weights or activations are not finite.
    """
    fingerprint = reference.fingerprint()
    store = _Store()
    keys = [_key(fmt, fingerprint, recipe) for fmt in formats]
    known = {key: found for key in keys if (found := store.get(key)) is not None}
    missing = {key: fmt for key, fmt in zip(keys, formats, strict=True) if key not in known}
    total = len(set(keys))
    if missing:
        from halfbyte.accuracy.models.loading import open_subject  # imports PyTorch

        if on_progress:
            on_progress(len(known), total, "the unquantized model")
        run = _Run(open_subject(reference), recipe, fingerprint)
    for key, fmt in missing.items():
        if on_progress:
            on_progress(len(known), total, fmt.name)
        known[key] = run.measure(fmt)
        store.put(key, known[key])
    return [known[key] for key in keys]


def _key(fmt: Format, fingerprint: Fingerprint, recipe: "Recipe") -> str:
    """A hash of everything that a result depends on."""
    return content_key(
        {
            "format": [fmt.name, fmt.ties.value, [str(value) for value in fmt.values]],
            "nan_codes": fmt.nan_codes,
            "recipe": recipe.record(),
            "model": fingerprint,
            "code": code_fingerprint(__name__),
            "versions": versions_of(*_VERSIONED, *_TASK_VERSIONED),
        }
    )


def _optimum_gaps(fmt: Format, recipe: "Recipe") -> dict[str, float]:
    """How many dB the format's SQNR is below that of optimal values, for two distributions.

    SQNR is the signal-to-quantization-noise ratio of weights that follow the distribution.
    """
    from halfbyte.formats.codebooks import distance_to_optimum_db

    block = (recipe.weights.block if recipe.weights else None) or DEFAULT_BLOCK
    return {
        "normal": round(distance_to_optimum_db(fmt, "normal", None, block), 3),
        "student_t_5": round(distance_to_optimum_db(fmt, "student_t", 5, block), 3),
    }


class _Store:
    """Records in a JSON Lines file, and one NumPy file of replicates for each record."""

    def __init__(self) -> None:
        folder = build_dir() / "records"
        self._records = RecordStore(folder / "evaluation.jsonl")
        self._folder = folder / "replicates"

    def _path(self, key: str) -> Path:
        return self._folder / f"{key}.npz"

    def get(self, key: str) -> Evaluation | None:
        try:
            record = EvaluationRecord.from_json(self._records.get(key))
        except RecordError:  # missing, or written by older code
            return None
        try:
            with np.load(self._path(key), allow_pickle=False) as arrays:
                return Evaluation(record, dict(arrays))
        except (OSError, ValueError, EOFError):  # deleted or damaged: compute it again
            return None

    def put(self, key: str, evaluation: Evaluation) -> None:
        buffer = io.BytesIO()
        np.savez_compressed(buffer, allow_pickle=False, **evaluation.replicates)
        write_atomically(self._path(key), buffer.getvalue())
        self._records.append(key, evaluation.record.as_json())


class _Run:
    """A model in memory. Its results before quantization are the baseline of all formats."""

    def __init__(self, subject: "Subject", recipe: "Recipe", fingerprint: Fingerprint) -> None:
        from halfbyte.accuracy.statistics import estimate

        self.subject, self.recipe, self.fingerprint = subject, recipe, fingerprint
        self.reference = subject.observe()
        statistics = subject.statistics(self.reference, self.reference)
        self.baseline = {name: estimate(each) for name, each in statistics.items()}
        self.items = next(iter(statistics.values())).count

    def measure(self, fmt: Format) -> Evaluation:
        """Quantize the model to a format, evaluate it, and restore the model."""
        from halfbyte.accuracy.recipes import quantized

        start = time.monotonic()
        subject, recipe = self.subject, self.recipe
        found = subject.survey()
        is_stored = (  # the files hold weights that are quantized to this format already
            subject.stored is not None
            and recipe.weights is not None
            and not recipe.needs_calibration
            and subject.stored.is_that_of(fmt, recipe.weights)
        )
        with quantized(
            fmt, recipe, found.matrices, subject.calibrate, keep_weights=is_stored
        ) as noise:
            outputs = subject.observe()
        measures, replicates = self._measures(outputs)
        record = EvaluationRecord(
            format=fmt.name,
            model=subject.name,
            **self.fingerprint,
            stored=subject.stored.record() if subject.stored else None,
            items=self.items,
            item=subject.items,
            recipe=recipe.name,
            recipe_parameters=recipe.record(),
            bits_per_weight=_bits_per_weight(fmt, recipe, subject, found),
            measures=measures,
            sqnr_db=_rounded(noise.sqnr_db, 4),
            optimum_gap_db=_optimum_gaps(fmt, recipe),
            layers={name: _rounded(ratio, 3) for name, ratio in noise.layers.items()},
            unquantized={name: why.value for name, why in _multiplied(found).items()},
            not_calibrated=noise.not_calibrated,
            inputs_unquantized=noise.inputs_left(),
            versions={"python": platform.python_version(), **versions_of("halfbyte", *_VERSIONED)},
            seconds=round(time.monotonic() - start, 3),
        )
        return Evaluation(record, replicates)

    def _measures(
        self, outputs: "Outputs"
    ) -> tuple[dict[str, MeasureRecord], dict[str, np.ndarray]]:
        """The record and the replicates of every measure, by name."""
        from halfbyte.accuracy.statistics import difference, estimate, worsening

        statistics = self.subject.statistics(outputs, self.reference)
        records, replicates = {}, {}
        for measure in self.subject.measures:
            better = measure.higher_is_better
            baseline, found = self.baseline[measure.name], estimate(statistics[measure.name])
            loss = worsening(found, baseline, higher_is_better=better)
            low, high = _interval(found.replicates, self.items)
            loss_low, loss_high = _interval(loss.replicates if loss else None, self.items)
            records[measure.name] = MeasureRecord(
                title=measure.title,
                unit=measure.unit,
                higher_is_better=better,
                value=_rounded(found.value, 6),
                low=low,
                high=high,
                baseline=_rounded(baseline.value, 6),
                loss=_rounded(loss.value, 6) if loss else None,
                loss_low=loss_low,
                loss_high=loss_high,
                note=_note(baseline.value, loss_low, low, self.items),
            )
            replicates[measure.name] = found.replicates
            paired = loss or difference(found, baseline, higher_is_better=better)
            replicates[f"{measure.name}_loss"] = paired.replicates
        return records, replicates


def _rounded(value: float, digits: int) -> float | None:
    """A rounded number for a record; None if it is not finite."""
    return round(value, digits) if math.isfinite(value) else None


def _interval(replicates: np.ndarray | None, items: int) -> tuple[float | None, float | None]:
    """The ends of the 95 % interval for a record; both are None without an interval."""
    from halfbyte.accuracy.statistics import interval

    found = interval(replicates) if replicates is not None and items > 1 else None
    return (round(found[0], 6), round(found[1], 6)) if found else (None, None)


def _note(baseline: float, loss_low: float | None, low: float | None, items: int) -> str | None:
    """The reason why values or intervals are missing; None if nothing is missing."""
    if not math.isfinite(baseline):
        return "the unquantized model gives no finite value"
    if items < 2:
        return "there is only one item to draw from, so there are no intervals"
    if baseline == 0:
        return "the unquantized model's value is 0, so there is no relative loss"
    if low is None:
        return "some draws give no finite value, so there is no interval"
    if loss_low is None:
        return "the unquantized model's value is 0 in some draws: the loss has no interval"
    return None


def _multiplied(found: "Survey") -> "dict[str, Kept]":
    """The unquantized parameters except embeddings. Embeddings are looked up, not multiplied."""
    from halfbyte.golden.layers import Kept

    return {name: why for name, why in found.kept.items() if why is not Kept.EMBEDDING}


def _bits_per_weight(fmt: Format, recipe: "Recipe", subject: "Subject", found: "Survey") -> float:
    """Mean bits per weight over all weights that are multiplied, quantized or not."""
    bits, weights, seen = 0.0, 0, set()
    for matrix in found.matrices.values():
        if matrix.identity not in seen:
            seen.add(matrix.identity)
            elements, inputs = matrix.tensor.numel(), matrix.read().shape[1]
            bits += elements * recipe.bits_per_weight(fmt, inputs)
            weights += elements
    parameters = dict(subject.module.named_parameters(remove_duplicate=False))
    for name in _multiplied(found):
        bits += parameters[name].numel() * subject.stored_bits
        weights += parameters[name].numel()
    return round(bits / weights, 6) if weights else recipe.bits_per_weight(fmt)
