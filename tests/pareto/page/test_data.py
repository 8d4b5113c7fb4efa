"""The data of the interactive page, computed from records."""

import json

import pytest

from halfbyte.area.search.array_records import ArrayRecord
from halfbyte.area.search.dot_records import DotRecord
from halfbyte.area.search.records import SynthesisRecord
from halfbyte.area.search.unit_records import Bf16MacRecord, DecoderRecord
from halfbyte.base import UserError
from halfbyte.pareto.page import data as page
from halfbyte.pareto.page.entries import PageData
from halfbyte.pareto.records import LosslessRecord
from tests.factory import sample

from .records import NETLIST, RECORDS, evaluation, synthesis


def page_data(*arguments):
    return page.page_data(*arguments).as_json()


def test_entries_have_figures_and_the_command_that_repeats_them():
    data = page_data(RECORDS)
    first = next(each for each in data["hardware"] if each["format"] == "apot4")
    assert first["figures"]["area_um2"] == 950.0
    assert "leakage_nw" not in first["figures"]
    assert first["command"] == "halfbyte synth apot4 --tech sky130hd"
    measured = next(each for each in data["accuracy"] if each["format"] == "apot4")
    assert measured["figures"]["loss_percent"] == pytest.approx(2.88)
    assert measured["command"] == "halfbyte evaluate minilm apot4 --recipe w4"
    assert data["formats"]["apot4"]["values"][3] == 1.0


def test_every_command_option_of_a_record_is_repeated():
    record = synthesis(
        "e2m1",
        1500.0,
        activation="int8",
        clock_ps=2000.0,
        terms=1024,
        unit="dot",
        lanes=32,
        um2_per_lane=1500.0 / 32,
    )
    (entry,) = page_data([record])["hardware"]
    assert entry["command"] == (
        "halfbyte synth e2m1 --unit dot --lanes 32 --activation int8 --tech sky130hd "
        "--terms 1024 --clock 2000ps"
    )
    assert entry["figures"]["um2_per_lane"] == 1500.0 / 32


def test_arrays_with_different_dataflows_are_different_circuits():
    sizes = {"unit": "array", "lanes": 1, "rows": 8, "columns": 4}
    records = [
        synthesis("int4", 1.0, **sizes, dataflow="output", depth=None),
        synthesis("int4", 2.0, **sizes, dataflow="weight", depth=9),
    ]
    one, other = page_data(records)["hardware"]
    command = "halfbyte synth int4 --unit array --lanes 1 --rows 8 --columns 4"
    assert one["command"] == f"{command} --tech sky130hd"
    assert other["command"] == f"{command} --dataflow weight --depth 9 --tech sky130hd"
    assert other["shown"]["unit"] == one["shown"]["unit"] + ", weight-stationary for 9 tokens"


@pytest.mark.parametrize(
    "kind",
    [SynthesisRecord, DotRecord, ArrayRecord, Bf16MacRecord, DecoderRecord, LosslessRecord],
)
def test_records_of_every_kind_of_circuit_are_accepted(kind):
    record = json.loads(json.dumps(sample(kind).as_json()))
    assert list(page.identities([record]).values()) == [record]


def test_the_newest_of_equal_records_counts():
    data = page_data([synthesis("int4", 1.0), synthesis("int4", 2.0)])
    assert [each["figures"]["area_um2"] for each in data["hardware"]] == [2.0]


def test_unknown_intervals_and_baselines_are_left_out():
    record = evaluation("int4", 0.9)
    record["measures"]["fidelity"].update(low=None, high=None, loss=None, loss_low=None)
    entry = page_data([synthesis("int4", 1.0), record])["accuracy"][0]
    assert entry["intervals"] == {}
    assert "loss_percent" not in entry["figures"]


def test_published_accuracy_is_marked_as_published():
    data = page_data(RECORDS)
    published = [each for each in data["accuracy"] if each["grade"] == "published"]
    assert {each["format"] for each in published} == {"int4", "e2m1", "apot4", "sf4"}


def test_netlists_are_included_up_to_a_limit_of_size(tmp_path, monkeypatch):
    for name in ("int4", "e2m1"):
        (tmp_path / f"{name}.v").write_text(NETLIST)
    monkeypatch.setattr("halfbyte.pareto.page.data.MAX_VERILOG_BYTES", len(NETLIST))
    found = [each.get("verilog") for each in page_data(RECORDS, tmp_path)["hardware"]]
    assert found[0] == NETLIST
    assert set(found[1:]) == {None}


def test_data_is_strict_json():
    data = page_data(RECORDS)
    assert PageData.from_json(json.loads(json.dumps(data, allow_nan=False))).as_json() == data


def test_refuses_a_figure_that_is_not_a_number():
    with pytest.raises(UserError, match="area_um2 of a record must be a number, not 'large'"):
        page_data([{**synthesis("int4", 1.0), "area_um2": "large"}])


def test_refuses_records_without_a_circuit():
    with pytest.raises(UserError, match="no result of a synthesis"):
        page_data([evaluation("int4", 0.9)])
