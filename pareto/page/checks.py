"""Refuse records with wrong fields, since a user may have edited a file of records by hand."""

import difflib
from functools import cache

from halfbyte.accuracy.record import EvaluationRecord
from halfbyte.area.search.array_records import ArrayRecord
from halfbyte.area.search.dot_records import DotRecord
from halfbyte.area.search.records import SynthesisRecord
from halfbyte.area.search.unit_records import Bf16MacRecord, DecoderRecord
from halfbyte.base import JsonObject, UserError
from halfbyte.base.record import field_docs
from halfbyte.pareto.page.fields import members, number
from halfbyte.pareto.records import LosslessRecord

__all__ = ["check_circuit", "check_evaluation"]

_CIRCUITS = (
    *(SynthesisRecord, DotRecord, ArrayRecord, Bf16MacRecord, DecoderRecord),
    LosslessRecord,
)
# Fields whose numbers are never negative. Slacks and losses may be.
_AMOUNTS = (
    *("area_um2", "area_ge", "um2_per_lane", "multiplier_um2", "accumulator_um2", "register_um2"),
    *("cells", "delay_ps", "clock_ps", "terms", "acc_width", "leakage_nw"),
    *("energy_fj", "glitch_energy_fj", "uniform_energy_fj", "clock_energy_fj"),
)


def check_circuit(record: JsonObject) -> None:
    """Raise UserError for a synthesis record with an unknown, missing or impossible field."""
    _check_fields(record, _fields_of(_CIRCUITS), ("format", "unit", "technology"))
    _check_amounts(record, _AMOUNTS)


def check_evaluation(record: JsonObject) -> None:
    """Raise UserError for an evaluation's record with an unknown, missing or impossible field."""
    _check_fields(record, _fields_of((EvaluationRecord,)), ("format", "model", "recipe"))
    _check_amounts(record, ("bits_per_weight", "items"))
    measures = members(record, "measures")
    for name in measures:
        _check_amounts(members(measures, name), ("baseline",))


@cache
def _fields_of(kinds: tuple[type, ...]) -> tuple[str, ...]:
    """The names of all fields that records of these kinds have in JSON."""
    names = dict.fromkeys(name for kind in kinds for name in field_docs(kind))
    return tuple(name.removesuffix("_") for name in names)


def _check_fields(record: JsonObject, known: tuple[str, ...], needed: tuple[str, ...]) -> None:
    what = f"The record of {record.get('format')!r:.60}"
    for key in record:
        if key not in known:
            close = difflib.get_close_matches(key, known, n=1)
            hint = f"; did you mean {close[0]}?" if close else ""
            raise UserError(f"{what} has an unknown field {key!r:.60}{hint}")
    for key in needed:
        if not isinstance(record.get(key), str):
            raise UserError(
                f"{what} lacks the field {key}, or it is not text: use what `--json` printed"
            )


def _check_amounts(record: JsonObject, names: tuple[str, ...]) -> None:
    for name in names:
        value = number(record, name)
        if value is not None and value < 0:
            raise UserError(f"The field {name} of a record must be 0 or more, not {value:g}")
