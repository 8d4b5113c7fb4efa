"""Results that commands save for the report."""

import os

import pytest

from halfbyte.base import UserError
from halfbyte.base.results import keep_results, kept_results, read_results

RECORD = {"format": "int4", "unit": "mac", "area_um2": 1000.0}


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """Results go to the folder of the test."""
    monkeypatch.setenv("HALFBYTE_BUILD", str(tmp_path))


def test_results_are_read_back_in_the_order_they_were_saved():
    assert kept_results() == []
    first = keep_results("synth", [RECORD])
    os.utime(first, (1, 1))
    keep_results("synth", [{**RECORD, "format": "e2m1"}])
    assert [each["format"] for each in read_results(kept_results())] == ["int4", "e2m1"]


def test_a_repeated_measurement_replaces_the_earlier_one():
    keep_results("synth", [RECORD])
    keep_results("synth", [{**RECORD, "area_um2": 990.0}])
    assert [each["area_um2"] for each in read_results(kept_results())] == [990.0]


def test_evaluations_of_different_contexts_are_kept():
    for context in (64, 128):
        keep_results("evaluate", [{"format": "int4", "model": "tiny", "context": context}])
    assert {each["context"] for each in read_results(kept_results())} == {64, 128}


def test_arrays_of_both_dataflows_are_kept():
    for dataflow in ("output", "weight"):
        keep_results("synth", [{**RECORD, "unit": "array", "dataflow": dataflow}])
    assert {each["dataflow"] for each in read_results(kept_results())} == {"output", "weight"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "is not JSON"),
        ('[{"area_um2": NaN}]', "NaN is not JSON"),
        ('[{"area_um2": 1e999}]', "1e999 is too large"),
        ('[{"area_um2": 1' + "0" * 400 + "}]", "is too large a number"),
        ("[" * 5000 + "]" * 5000, "nested too deeply"),
        ("\udcff", "is not JSON"),
        ('{"a": 1}', "not a list of records"),
        ("[1]", "not a list of records"),
    ],
)
def test_refuses_a_file_that_is_not_a_list_of_records(tmp_path, text, message):
    path = tmp_path / "bad.json"
    path.write_bytes(text.encode(errors="surrogateescape"))
    with pytest.raises(UserError, match=message):
        list(read_results([path]))


def test_names_a_missing_file(tmp_path):
    with pytest.raises(UserError, match="cannot be read"):
        list(read_results([tmp_path / "none.json"]))
