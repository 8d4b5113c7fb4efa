"""Choose one format, for the least area or for the greatest accuracy.

Either the format with the smallest MAC is chosen among those whose loss does not exceed a limit, or
the most accurate format among those whose MAC does not exceed a limit. The *loss* is the relative
amount by which the model's first measure is worse than without quantization.

The bootstrap says how certain the choice is: the share of resamples of the evaluation text in which
the same format would have been chosen. A *recipe* says which values of a model are quantized, and
how.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from halfbyte.accuracy.record import MeasureRecord
from halfbyte.base import UserError
from halfbyte.pareto.records import Choice, Recommendation

if TYPE_CHECKING:
    from halfbyte.accuracy import Evaluation

__all__ = ["within_area", "within_loss"]


@dataclass(frozen=True)
class _Table:
    """F formats by row: areas (F,), losses (F,), and losses in B resamples of the text (F, B)."""

    names: list[str]
    areas: np.ndarray
    losses: np.ndarray
    replicates: np.ndarray
    intervals: list[tuple[float, float]]

    def without(self, row: int) -> "_Table":
        """The table without one format."""
        kept = [each for each in range(len(self.names)) if each != row]
        return _Table(
            [self.names[each] for each in kept],
            self.areas[kept],
            self.losses[kept],
            self.replicates[kept],
            [self.intervals[each] for each in kept],
        )


# Chooses a row in each resample, from losses (F, B) and areas (F,); returns (B,) int, -1 if no row
# fits.
_Rule = Callable[[np.ndarray, np.ndarray], np.ndarray]


def within_loss(
    areas: Mapping[str, float], evaluations: Sequence["Evaluation"], max_loss: float
) -> Recommendation:
    """The format with the smallest MAC among those that lose at most ``max_loss``.

    Parameters
    ----------
    areas : mapping of str to float
        MAC areas in um^2 by format.
    evaluations : sequence of Evaluation
        Evaluations of one model and recipe; formats without an area are left out.
    max_loss : float
        The greatest loss that is allowed, 0.01 for 1 %.

    Raises
    ------
    UserError
        If no format has both an area and an evaluation, if a loss or its interval is not known, or
        if all formats lose more. In the last case, the message names the most accurate one.
    """
    table = _table(areas, evaluations)
    if not (table.losses <= max_loss).any():
        best = int(table.losses.argmin())
        raise UserError(
            f"No format has a loss of at most {max_loss:.3g}: the most accurate, "
            f"{table.names[best]}, has {table.losses[best]:.3g}"
        )

    def smallest(losses: np.ndarray, areas: np.ndarray) -> np.ndarray:
        return _least(np.where(losses <= max_loss, areas[:, None], np.inf))

    return _recommend(table, smallest, f"smallest MAC with a loss of at most {max_loss:.2%}")


def within_area(
    areas: Mapping[str, float], evaluations: Sequence["Evaluation"], max_area: float
) -> Recommendation:
    """The most accurate format among those with a MAC of at most ``max_area`` um^2.

    The other parameters are those of :func:`within_loss`. Raises UserError if no format has both an
    area and an evaluation, if a loss or its interval is not known, or if every MAC is larger.
    """
    table = _table(areas, evaluations)
    if not (table.areas <= max_area).any():
        best = int(table.areas.argmin())
        raise UserError(
            f"No MAC is at most {max_area:,.1f} µm²: the smallest, {table.names[best]}, has "
            f"{table.areas[best]:,.1f}"
        )

    def most_accurate(losses: np.ndarray, areas: np.ndarray) -> np.ndarray:
        return _least(np.where(areas[:, None] <= max_area, losses, np.inf))

    return _recommend(table, most_accurate, f"least loss with a MAC of at most {max_area:,.1f} µm²")


def _table(areas: Mapping[str, float], evaluations: Sequence["Evaluation"]) -> _Table:
    """The table, sorted by area and then by loss.

    Of equally good rows, a rule chooses the first.
    """
    joined = [each for each in evaluations if each.format in areas]
    if not joined:
        raise UserError("A recommendation needs formats that have both an area and an accuracy")
    measures = [each.record.primary for each in joined]
    spans = [_span_of(measure) for measure in measures]
    area = np.array([areas[each.format] for each in joined])  # (F,)
    loss = np.array([measure.loss for measure in measures])  # (F,)
    order = np.lexsort((loss, area))
    return _Table(
        [joined[row].format for row in order],
        area[order],
        loss[order],
        np.stack([joined[row].losses() for row in order]),
        [spans[row] for row in order],
    )


def _span_of(measure: MeasureRecord) -> tuple[float, float]:
    """The interval for a loss; raises UserError with the reason if loss or interval is missing."""
    if measure.loss is None or measure.loss_low is None or measure.loss_high is None:
        raise UserError(f"There is no loss to compare: {measure.note or 'it is not finite'}")
    return measure.loss_low, measure.loss_high


def _least(costs: np.ndarray) -> np.ndarray:
    """The row of the least cost in each column, -1 if all are infinite; (F, B) to (B,)."""
    return np.where(np.isinf(costs).all(0), -1, costs.argmin(0))


def _choose(table: _Table, rule: _Rule) -> int:
    """The row that the rule chooses from the losses on the whole text."""
    return int(rule(table.losses[:, None], table.areas)[0])


def _choice(table: _Table, rule: _Rule, row: int) -> Choice:
    """The format of a row, with the share of resamples in which the rule chooses it."""
    chosen = rule(table.replicates, table.areas)
    return Choice(
        table.names[row],
        float(table.areas[row]),
        float(table.losses[row]),
        *table.intervals[row],
        certainty=float((chosen == row).mean()),
    )


def _recommend(table: _Table, rule: _Rule, criterion: str) -> Recommendation:
    row = _choose(table, rule)
    others = table.without(row)
    second = _choose(others, rule) if others.names else -1
    return Recommendation(
        criterion,
        _choice(table, rule, row),
        # The certainty of the second choice: the share of resamples in which it beats all others.
        _choice(table, rule, table.names.index(others.names[second])) if second >= 0 else None,
    )
