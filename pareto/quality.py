"""The measured quality of formats, for the vertical axis of plots; greater is better.

An evaluation quantizes a model and measures it on a text. Its *recipe* says what is quantized, and
how.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from halfbyte.accuracy.record import EvaluationRecord, MeasureRecord
from halfbyte.base import UserError

__all__ = ["Quality", "measured_quality"]


@dataclass(frozen=True)
class Quality:
    """One measure of a model's accuracy, by format.

    Parameters
    ----------
    key : str
        Name of the measure in records, and in file names.
    label : str
        Label of an axis, with the unit.
    title : str
        Name within a sentence, such as ``measured fidelity``.
    values : mapping of str to float
        Values by format; greater is better.
    intervals : mapping of str to pair of float
        The 95 % interval of each value.
    note : str
        Model, recipe, text and versions.
    lossless : float
        Value of the unquantized model.
    is_loss : bool
        Whether the values are negated losses in per cent, since less of the measure is better.
    """

    key: str
    label: str
    title: str
    values: Mapping[str, float]
    intervals: Mapping[str, tuple[float, float]]
    note: str
    lossless: float
    is_loss: bool

    @property
    def widest(self) -> float:
        """The width of the widest interval."""
        return max((high - low for low, high in self.intervals.values()), default=0.0)


def measured_quality(records: Sequence[EvaluationRecord]) -> Quality | None:
    """The quality of each format by the first measure of the records; None without records.

    All records must be of one model and recipe. If less of the measure is better, the quality is
    the negated loss: minus the relative change against the unquantized model, in per cent. Raises
    UserError if a number is missing.
    """
    if not records:
        return None
    first = records[0]
    key, measure = next(iter(first.measures.items()))
    found = {record.format: record.measures[key] for record in records}
    note = (
        f"{measure.title}: {first.model}, recipe {first.recipe}, {first.items} "
        f"{first.item}, bars: 95 % intervals; torch {first.versions['torch']}"
    )
    if measure.higher_is_better:
        label = f"{measure.title}, {measure.unit}"
        lossless = _known(measure.baseline, measure)
        values = {name: _known(each.value, each) for name, each in found.items()}
        intervals = {
            name: (_known(each.low, each), _known(each.high, each)) for name, each in found.items()
        }
    else:
        label = f"loss in {measure.title}, %"
        lossless = 0.0
        values = {name: -100 * _known(each.loss, each) for name, each in found.items()}
        intervals = {
            name: (-100 * _known(each.loss_high, each), -100 * _known(each.loss_low, each))
            for name, each in found.items()
        }
    title = f"measured {measure.title}, {first.model}, {first.recipe}"
    is_loss = not measure.higher_is_better
    return Quality(key, label, title, values, intervals, note, lossless, is_loss)


def _known(figure: float | None, measure: MeasureRecord) -> float:
    """The number ``figure``; raises UserError with the reason if it is missing."""
    if figure is None:
        raise UserError(f"A number to draw is missing: {measure.note or 'it is not finite'}")
    return figure
