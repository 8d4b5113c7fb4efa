"""Rank formats by how much they worsen a model, and say how certain the order is."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from halfbyte.accuracy.evaluation import Evaluation
from halfbyte.base import UserError

__all__ = ["Rank", "rank"]


@dataclass(frozen=True)
class Rank:
    """A format's position in the order from the most accurate to the least accurate.

    Parameters
    ----------
    evaluation : Evaluation
        The evaluation of the format.
    beats_next : float or None
        Share of the bootstrap's draws in which this format is better than the next one; None for
        the last format.
    is_resolved : bool or None
        Whether the 95 % interval of the paired difference from the next format excludes 0; None for
        the last format.
    """

    evaluation: Evaluation
    beats_next: float | None = None
    is_resolved: bool | None = None


def rank(evaluations: Sequence[Evaluation]) -> list[Rank]:
    """Sort evaluations by the relative loss in the primary measure, the least loss first.

    Evaluations whose measure has no relative loss are sorted by their difference from the
    unquantized model instead. Evaluations with equal losses keep their order.

    Raises UserError if the evaluations are of different models, texts or recipes.
    """
    from halfbyte.accuracy.statistics import is_resolved

    of_same = {
        (each.record.model_sha256, each.record.text_sha256, each.record.recipe)
        for each in evaluations
    }
    if len(of_same) > 1:
        raise UserError("Formats must be ranked on the same model, with the same text and recipe")
    ordered = sorted(evaluations, key=lambda each: each.worsening)
    ranks = [
        Rank(
            one,
            float((one.losses() < other.losses()).mean()),
            is_resolved(one.losses(), other.losses()),
        )
        for one, other in pairwise(ordered)
    ]
    return [*ranks, *(Rank(each) for each in ordered[-1:])]
