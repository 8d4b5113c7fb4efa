"""Compare the numbers in two sets of records, for example before and after a change.

The numbers are area, delay and energy of circuits, and bits per weight and loss of quantized
models. The *loss* says how much quantization worsens a model's accuracy.
"""

from collections.abc import Iterable
from dataclasses import asdict, dataclass

from halfbyte.base import Json, JsonObject
from halfbyte.pareto.page.data import identities
from halfbyte.pareto.page.fields import members, number

__all__ = ["FIGURES", "Change", "changes"]

FIGURES = ("area_um2", "delay_ps", "energy_fj", "glitch_energy_fj", "bits_per_weight", "loss")
"""Fields of records whose numbers are compared; less is better for all of them."""
# Fields that say how a circuit was found, not what it computes: the architecture, and the recipe,
# which is a sequence of synthesis commands.
_FOUND = ("architecture", "recipe")


@dataclass(frozen=True)
class Change:
    """One number of one circuit or evaluation, before and after.

    Parameters
    ----------
    what : str
        Readable name of the circuit or the evaluation.
    figure : str
        The field of the number: one of :data:`FIGURES`. If only one set has the record, this is
        ``record``, and the number is its area or its loss.
    before, after : float, optional
        The number in the first and in the second set; None if it is missing.
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
        """Whether the number changed by more than ``tolerance``, a fraction of ``before``.

        A changed number for which this fraction is not defined always exceeds the tolerance.
        """
        if self.before == self.after:
            return False
        return self.relative is None or abs(self.relative) > tolerance

    def as_json(self) -> dict[str, Json]:
        """The change as a JSON object, with its relative value."""
        return {**asdict(self), "relative": self.relative}


def changes(before: Iterable[JsonObject], after: Iterable[JsonObject]) -> list[Change]:
    """Compare two sets of records, number by number.

    Records are matched by what they measure. For circuits this is format, unit, technology, clock
    and so on; for evaluations it is format, model, text, context length and how the model was
    quantized. If a set has several netlists of a circuit, as ``synth --every`` gives them,
    architecture and synthesis recipe must match too. Other kinds of records are left out.

    The result has the order of the second set. Records that are only in the first set come last.
    Numbers that did not change are included. Raises UserError for a record with wrong fields.
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
    """The number in a field of a record; the loss of an evaluation is that of its first measure."""
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
