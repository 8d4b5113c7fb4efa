"""Formats of the user's own: found by name, and rounded to tables of a few bits per value."""

from fractions import Fraction

import pytest

from halfbyte.base import UserError
from halfbyte.cli.options import load_formats
from halfbyte.cli.rounding import rounding_lines
from halfbyte.formats import FormatError, load, user_names
from halfbyte.formats.rounding import largest_change, rounded
from halfbyte.rtl import MacSpec

PAPER = (
    "name: paper\ntitle: A paper\nvalues: [0, 0.1, 0.25, 0.4, 0.52, 0.7, 0.85, 1,"
    " -0.05, -0.12, -0.2, -0.31, -0.46, -0.6, -0.8, -0.9963]\n"
)


@pytest.fixture
def paper(tmp_path):
    path = tmp_path / "paper.yaml"
    path.write_text(PAPER)
    return path


def test_a_file_is_rounded_to_the_bits_after_the_at_sign(paper):
    fmt, eight = load(paper), load(f"{paper}@8")
    assert (eight.name, eight.title) == ("paper_lut8", "A paper, 8-bit table")
    assert eight.quantum == Fraction(1, 127)
    assert eight.integers[:4] == (0, 13, 32, 51)
    assert eight.integer_width == 8
    assert largest_change(fmt, eight) <= 1 / 254
    assert largest_change(fmt, rounded(fmt, 6)) <= 1 / 62


def test_shipped_formats_are_rounded_too():
    fmt = load("e2m1@6")
    assert (fmt.name, max(fmt.values), max(fmt.integers)) == ("e2m1_lut6", 6, 31)
    assert load("e2m1_lut6") == fmt
    assert load("sf4@6").family == "quantile"


def test_bits_that_merge_values_are_too_few(paper):
    with pytest.raises(FormatError, match=r"4 bits are too few for paper: two of its values"):
        load(f"{paper}@4")


def test_synth_says_what_rounding_would_save(paper):
    spec, areas = MacSpec(load(paper), load(paper)), {"paper": 5174.0, "paper_lut6": 1600.5}
    head, six, eight = rounding_lines(str(paper), spec, areas)
    assert "multiples of 1/10000: 5,174.0 µm², 15 bits per value, 36 per sum" in head
    assert (
        f"{paper}@6: 1,600.5 µm², 6 bits per value, 19 per sum; no value moves by more than 1.5 %"
        in six
    )
    assert f"{paper}@8: 8 bits per value, 23 per sum; no value moves" in eight
    for name in ("int4", "e4m3"):
        assert rounding_lines(name, MacSpec(load(name), load(name)), {}) == []


def test_area_and_bits_of_a_line_belong_to_the_same_mac(paper):
    areas = {"paper": 2870.0, "paper_lut6": 1090.5}
    spec = MacSpec(load(paper), load("int4"))
    head, six, _ = rounding_lines(str(paper), spec, areas)
    assert f"2,870.0 µm², 15 bits per value, {spec.width} per sum" in head
    rounded_spec = MacSpec(load(f"{paper}@6"), load("int4"))
    assert f"1,090.5 µm², 6 bits per value, {rounded_spec.width} per sum" in six
    assert (spec.width, rounded_spec.width) == (26, 17)
    narrow = MacSpec(load(paper), load("int4"), acc_width=20)
    assert rounding_lines(str(paper), narrow, areas) == rounding_lines(str(paper), spec, {})


def test_a_file_must_not_take_the_name_of_a_shipped_format(tmp_path):
    path = tmp_path / "mine.yaml"
    for name in ("int4", "sf4_lut6"):
        path.write_text(PAPER.replace("name: paper", f"name: {name}"))
        with pytest.raises(FormatError, match=f"{name} is the name of a shipped format"):
            load(path)


def test_two_formats_of_one_name_are_refused(paper, tmp_path):
    other = tmp_path / "other.yaml"
    other.write_text(PAPER.replace("0.52", "0.53"))
    with pytest.raises(UserError, match="Two different formats have the name paper"):
        load_formats([str(paper), str(other)])
    assert len(load_formats([str(paper), str(paper)])) == 1


def test_the_user_s_formats_are_found_by_name(tmp_path, monkeypatch):
    monkeypatch.setenv("HALFBYTE_HOME", str(tmp_path))
    (tmp_path / "formats").mkdir()
    (tmp_path / "formats" / "paper.yaml").write_text(PAPER)
    assert user_names() == ("paper",)
    assert load("paper").title == "A paper"
    assert load("paper@8").name == "paper_lut8"
    with pytest.raises(FormatError, match=r"did you mean paper\?"):
        load("papr")
