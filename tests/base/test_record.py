"""Records are written and read as JSON, checked strictly, and described by a JSON schema."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace

import pytest

from halfbyte.base import JsonObject, Record, RecordError, json_text, parse_json
from halfbyte.base.record import field_docs
from halfbyte.cli.schema import record_types
from tests.factory import sample


@dataclass(frozen=True)
class Part(Record):
    """A part."""

    name: str
    """What it is called."""
    weight_g: float | None = None
    """Its weight, in g."""


@dataclass(frozen=True, kw_only=True)
class Whole(Record):
    """A whole that
    has parts.

    And more to say.
    """

    parts: tuple[Part, ...]
    """Its parts."""
    by_name: Mapping[str, int]
    """How many of each."""
    from_: str | None
    """Where it comes from."""
    settings: JsonObject
    """Anything."""
    nothing: None = None
    is_new: bool = True
    """Whether it is new."""


WHOLE = Whole(
    parts=(Part("a", 1.5), Part("b")), by_name={"a": 1}, from_="here", settings={"x": [1, None]}
)


def test_a_record_is_read_as_it_was_written():
    data = json.loads(json_text(WHOLE.as_json()))
    assert list(data) == ["parts", "by_name", "from", "settings", "nothing", "is_new"]
    assert data["parts"] == [{"name": "a", "weight_g": 1.5}, {"name": "b", "weight_g": None}]
    assert Whole.from_json(data) == WHOLE


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"is_new": 1}, r"Whole\.is_new must be a boolean, not 1"),
        ({"from": 7}, r"Whole\.from must be a string or null, not 7"),
        ({"parts": {}}, r"Whole\.parts must be a list, not {}"),
        ({"parts": [{"name": "a"}]}, r"Whole\.parts\[0\] lacks the field weight_g"),
        ({"by_name": {"a": 1.5}}, r"Whole\.by_name\.a must be an integer, not 1\.5"),
        ({"settings": 1}, r"Whole\.settings must be a JSON object, not 1"),
        ({"nothing": 0}, r"Whole\.nothing must be null, not 0"),
        ({"more": 0}, "Whole has an unknown field 'more'"),
    ],
)
def test_the_wrong_field_is_named(change, message):
    with pytest.raises(RecordError, match=message):
        Whole.from_json({**WHOLE.as_json(), **change})


def test_missing_fields_and_values_other_than_objects_are_named():
    data = WHOLE.as_json()
    del data["by_name"]
    with pytest.raises(RecordError, match="Whole lacks the field by_name"):
        Whole.from_json(data)
    with pytest.raises(RecordError, match="Whole must be a JSON object, not None"):
        Whole.from_json(None)


def test_an_integer_counts_as_a_number_but_a_boolean_does_not():
    assert Part.from_json({"name": "a", "weight_g": 2}).weight_g == 2
    with pytest.raises(RecordError, match="weight_g must be a number or null, not True"):
        Part.from_json({"name": "a", "weight_g": True})


def test_numbers_that_are_not_finite_are_null_in_json():
    heavy = replace(WHOLE, parts=(Part("a", float("inf")),), settings={"x": float("nan")})
    data = parse_json(json_text(heavy.as_json()))
    assert data["parts"][0]["weight_g"] is data["settings"]["x"] is None
    for text in ("NaN", "[Infinity]", '{"a": -Infinity}'):
        with pytest.raises(ValueError, match="is not JSON"):
            parse_json(text)


def test_a_key_that_occurs_twice_is_refused():
    with pytest.raises(ValueError, match="the key 'area_um2' occurs twice"):
        parse_json('[{"area_um2": 1, "cells": {}, "area_um2": 2}]')


def test_the_schema_has_types_and_descriptions():
    schema = Whole.schema()
    assert schema["description"] == "A whole that has parts."
    assert schema["required"] == list(WHOLE.as_json())
    assert schema["properties"]["from"] == {
        "anyOf": [{"type": "string"}, {"type": "null"}],
        "description": "Where it comes from.",
    }
    part = schema["properties"]["parts"]["items"]
    assert part["properties"]["weight_g"]["description"] == "Its weight, in g."
    assert schema["properties"]["by_name"]["additionalProperties"] == {"type": "integer"}


def test_a_field_without_a_docstring_is_refused():
    @dataclass(frozen=True)
    class Silent(Record):
        area: float

    with pytest.raises(LookupError, match=r"Silent\.area has no text"):
        field_docs(Silent)


@pytest.mark.parametrize("kind", record_types().values(), ids=record_types())
def test_every_record_has_a_schema_and_comes_back_from_json(kind):
    assert json.loads(json_text(kind.schema()))["required"]
    record = sample(kind)
    assert kind.from_json(json.loads(json_text(record.as_json()))) == record
