"""Dot-product units in a space: which units it has, which axes are refused, and one small run.

A space is a YAML file that defines many designs. An axis is a list of choices in it.
"""

import pytest

from halfbyte.area.exploration import DotTrial, MacTrial, ResultStore, explore, parse_space
from halfbyte.area.search.dot_records import DotRecord
from halfbyte.base import UserError

TWO_BITS = "name: tiny\nbits: 2\nvalues: [0, 1, -2, -1]\n"
UNITS = "name: mine\nformats: [int4]\nunits: [dot]\n"


def test_units_are_the_product_of_lanes_scales_and_blocks():
    space = parse_space(f"{UNITS}lanes: [2, 4, 32]\nscales: [none, e4m3]\nblocks: [lanes, 4, 32]\n")
    designs = [trial.design for trial in space.trials()]
    scaled = {(spec.lanes, spec.block) for spec in designs if spec.scale}
    # Blocks that are not a multiple of the lanes are left out. The block size `lanes` means as many
    # products as there are lanes.
    assert scaled == {(2, 2), (2, 4), (2, 32), (4, 4), (4, 32), (32, 32)}
    assert [spec.lanes for spec in designs if not spec.scale] == [2, 4, 32]
    assert len({trial.key() for trial in space.trials()}) == len(designs) == 9


def test_macs_and_units_can_share_a_space():
    space = parse_space(f"{UNITS.replace('[dot]', '[mac, dot]')}architectures: [booth]\n")
    assert [type(trial) for trial in space.trials()] == [MacTrial, DotTrial]
    assert parse_space("name: mine\nformats: [int4]\n").units is None


def test_formats_that_fit_no_unit_are_left_out():
    text = UNITS.replace("int4", "int4, e4m3").replace("[dot]", "[dot]\nlanes: [1024]")
    space = parse_space(f"{text}scales: [ue5m3]\n")
    assert [trial.design.weight.name for trial in space.trials()] == ["int4"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("units: [cpu]", "units must be mac or dot, not 'cpu'"),
        ("lanes: [2]", r"lanes is for dot-product units: add `units: \[dot\]`"),
        ("units: [dot]\nlanes: [0]", "lanes must be 1 to 1024, not 0"),
        ("units: [dot]\nlanes: [1000000]", "lanes must be 1 to 1024, not 1000000"),
        ("units: [dot]\nlanes: []", "lanes must be a list with at least one entry"),
        ("units: [dot]\nscales: [e8m1]", "Unknown scale format 'e8m1'; did you mean e8m0"),
        (
            "units: [dot]\nblocks: [half]",
            "A block size must be a positive number of products or the word `lanes`, not 'half'",
        ),
        ("units: [dot]\neffort: 0", "effort must be above 0 and at most 1000, not 0"),
        ("units: [dot]\nrecipes: [brief]", "Units need one of the recipes resub, resyn"),
        ("recipes: [resyn]", "MACs need one of the recipes"),
    ],
)
def test_wrong_axes_are_refused_in_one_line(text, message):
    with pytest.raises(UserError, match=message) as caught:
        parse_space(f"name: mine\nformats: [int4]\n{text}\n")
    assert "\n" not in str(caught.value)


@pytest.mark.yosys
def test_units_are_synthesized_once_and_then_read_from_the_store(tmp_path, monkeypatch):
    monkeypatch.setenv("HALFBYTE_BUILD", str(tmp_path))
    (tmp_path / "tiny.yaml").write_text(TWO_BITS)
    space = parse_space(
        "name: mine\nformats: [tiny.yaml]\nunits: [dot]\nlanes: [1, 2]\nscales: [none, e8m0]\n"
        "blocks: [2]\neffort: 0.01\n",
        tmp_path,
    )
    store = ResultStore(tmp_path / "explore.sqlite")
    try:
        found = explore(space, store, jobs=1)
        again = explore(space, store, jobs=1)
    finally:
        store.close()
    assert not found.failures
    assert (found.computed, again.computed) == (4, 0)
    assert again.records == found.records
    assert all(isinstance(record, DotRecord) for record in found.records)
    by_lanes = {(each.scale, each.lanes): each for each in found.records}
    # Two lanes share one accumulator, so the area per lane is smaller.
    for scale in (None, "e8m0"):
        assert by_lanes[scale, 2].um2_per_lane < by_lanes[scale, 1].um2_per_lane
    assert {each.not_measured for each in found.records} == {
        "the space does not ask for measurements"
    }
