"""The axes of the page's plot and the columns of its table, and how to read them from a record."""

from collections.abc import Callable
from dataclasses import dataclass

from halfbyte.base import Json, JsonObject
from halfbyte.pareto.page.fields import members, number

__all__ = ["AXES", "TABLE", "PageAxis"]


@dataclass(frozen=True)
class PageAxis:
    """A number of a record that can be an axis of the plot or a column of the table.

    Parameters
    ----------
    name : str
        Key in the page's data.
    title, unit : str
        Displayed title and unit; the unit may be empty.
    of : str
        ``hardware`` or ``accuracy``: the kind of record.
    kind : str
        ``cost`` for the horizontal axis, ``quality`` for the vertical one.
    better : str
        ``less`` or ``more``: the direction that is better.
    digits : int
        Number of decimals shown.
    figure : function
        Gives the number from a record; None if the record lacks it.
    """

    name: str
    title: str
    unit: str
    of: str
    kind: str
    better: str
    digits: int
    figure: Callable[[JsonObject], float | None]

    def as_json(self) -> dict[str, Json]:
        """The axis as the page reads it."""
        keys = ("name", "title", "unit", "of", "kind", "better", "digits")
        return {key: getattr(self, key) for key in keys}


def _field(key: str) -> Callable[[JsonObject], float | None]:
    return lambda record: number(record, key)


def _per_lane(record: JsonObject) -> float | None:
    """Area per product of a cycle: that of a MAC, or per lane of a unit or an array."""
    known = number(record, "um2_per_lane") if record.get("unit") in ("dot", "array") else None
    return number(record, "area_um2") if known is None else known


def _measure(name: str, key: str, factor: float = 1.0) -> Callable[[JsonObject], float | None]:
    """A function that gives field ``key`` of an evaluation's measure ``name``, times ``factor``."""

    def figure(record: JsonObject) -> float | None:
        value = number(members(members(record, "measures"), name), key)
        return None if value is None else factor * value

    return figure


def _loss_percent(record: JsonObject) -> float | None:
    """The loss in the first measure, by which the model is judged, in %."""
    measures = members(record, "measures")
    for name in measures:
        value = number(members(measures, name), "loss")
        return None if value is None else 100 * float(value)
    return None


_HARDWARE = (
    ("area_um2", "Area", "µm²", 1, _field("area_um2")),
    ("um2_per_lane", "Area per lane", "µm²", 1, _per_lane),
    ("area_ge", "Gate equivalents", "", 1, _field("area_ge")),
    ("glitch_energy_fj", "Energy", "fJ", 1, _field("glitch_energy_fj")),
    ("delay_ps", "Delay", "ps", 0, _field("delay_ps")),
    ("leakage_nw", "Leakage", "nW", 3, _field("leakage_nw")),
)
AXES = (
    *(
        PageAxis(name, title, unit, "hardware", "cost", "less", digits, figure)
        for name, title, unit, digits, figure in _HARDWARE
    ),
    PageAxis(
        "bits_per_weight",
        "Bits per weight",
        "",
        "accuracy",
        "cost",
        "less",
        3,
        _field("bits_per_weight"),
    ),
    PageAxis("loss_percent", "Loss", "%", "accuracy", "quality", "less", 2, _loss_percent),
    PageAxis("sqnr_db", "SQNR", "dB", "accuracy", "quality", "more", 2, _field("sqnr_db")),
    PageAxis(
        "fidelity",
        "Fidelity",
        "",
        "accuracy",
        "quality",
        "more",
        4,
        _measure("fidelity", "value"),
    ),
    PageAxis(
        "perplexity",
        "Perplexity",
        "",
        "accuracy",
        "quality",
        "less",
        3,
        _measure("perplexity", "value"),
    ),
    PageAxis(
        "change_percent",
        "Change of accuracy",
        "%",
        "accuracy",
        "quality",
        "more",
        2,
        _field("change_percent"),
    ),
)
TABLE = ("area_ge", "delay_ps", "glitch_energy_fj", "bits_per_weight", "sqnr_db", "loss_percent")
"""Names of the table's columns, besides the two axes of the plot."""
