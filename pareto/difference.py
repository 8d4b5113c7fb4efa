"""Compares two sets of records: area, delay and energy of circuits; bits and loss of models."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass

from halfbyte.base import Json, JsonObject
from halfbyte.pareto.page.data import identities
from halfbyte.pareto.page.fields import members, number

__all__ = ["FIGURES", "Change", "changes"]

FIGURES = ("area_um2", "delay_ps", "energy_fj", "glitch_energy_fj", "bits_per_weight", "loss")
"""The compared figures; less is better for all of them."""
# Fields that say how a circuit was found, not what it computes: the architecture, and the recipe,
# which is a sequence of synthesis commands.
_FOUND = ("architecture", "recipe")


@dataclass(frozen=True)
class Change:
    """One figure of one circuit or evaluation, before and after.

    Parameters
    ----------
    what : str
        Readable name of the circuit or the evaluation.
    figure : str
        One of :data:`FIGURES`, or ``record`` if only one set has the record.
    before, after : float, optional
        The figure in the first and in the second set; None if it is missing.
    """

    what: str
    figure: str
    before: float | None
    after: float | None

    @property
    def relative(self) -> float | None:
        """The change as a fraction of ``before``; None if it is not defined."""
        if self.before is None or self.after is None or self.before == 0:
            return None
        return self.after / self.before - 1

    def exceeds(self, tolerance: float) -> bool:
        """Whether the figure changed by more than ``tolerance``, a fraction of ``before``."""
        if self.before == self.after:
            return False
        return self.relative is None or abs(self.relative) > tolerance

    def as_json(self) -> dict[str, Json]:
        """The change as a record."""
        return {**asdict(self), "relative": self.relative}


def changes(before: Iterable[JsonObject], after: Iterable[JsonObject]) -> list[Change]:
    """Compare every figure that is in one of two sets of records, or in both.

    Records are matched by what they measure. For circuits this is format, unit, technology, clock
    and so on; for evaluations it is format, model, text and recipe. If a set has a circuit in
    several architectures (``synth --every``), architecture and recipe must match too. Other kinds
    of records are left out. The result has the order of the second set, and also contains figures
    that did not change. Raises UserError for a record with wrong fields.
    """
    sets = list(before), list(after)
    repeated = any(len(identities(each, *_FOUND)) > len(identities(each)) for each in sets)
    old, new = (identities(each, *_FOUND if repeated else ()) for each in sets)
    found = []
    for key, record in {**new, **old}.items():
        one, other = old.get(key), new.get(key)
        if one is None or other is None:
            found.append(_whole(record, one, other, repeated))
            continue
        for figure in FIGURES:
            values = _figure(one, figure), _figure(other, figure)
            if values != (None, None):
                found.append(Change(_name(record, repeated), figure, *values))
    return found


def _whole(
    record: JsonObject, one: JsonObject | None, other: JsonObject | None, repeated: bool
) -> Change:
    """The change for a record that only one set has: ``one`` or ``other`` is None."""
    figure = "area_um2" if "area_um2" in record else "loss"
    return Change(
        _name(record, repeated),
        "record",
        None if one is None else _figure(one, figure),
        None if other is None else _figure(other, figure),
    )


def _figure(record: JsonObject, name: str) -> float | None:
    """A figure of a record; the loss of an evaluation is that of its first measure."""
    if name == "loss" and "measures" in record:
        measures = members(record, "measures")
        return next((number(members(measures, each), name) for each in measures), None)
    value = number(record, name)
    return None if value is None else float(value)


def _name(record: JsonObject, repeated: bool) -> str:
    """A readable name of what the record measures; ``repeated`` adds architecture and recipe."""
    keys = ["format", "activation", "unit", "dataflow", "lanes", "technology", "model"]
    if "measures" in record:
        keys.append("recipe")
    elif repeated:
        keys += _FOUND
    parts = dict.fromkeys(str(record[key]) for key in keys if record.get(key) is not None)
    if clock := number(record, "clock_ps"):
        parts[f"{clock:g} ps"] = None
    return " ".join(parts)
