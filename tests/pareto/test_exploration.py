"""Explorations: designs of many formats are joined with accuracies, and the frontier is written.

A *parent* is one or more distributions of values. The accuracy of a format is measured by its
distance, in dB, to the best possible values for a parent: the smaller, the more accurate. A format
may have a *supernormal*: a value for the code that would otherwise mean negative zero.
"""

import csv
import json
from dataclasses import replace
from statistics import fmean

import numpy as np
import pytest
from matplotlib.text import Text
from safetensors.numpy import save_file

from halfbyte.area import SynthesisRecord
from halfbyte.area.exploration import parse_space
from halfbyte.area.proofs.results import MacProof
from halfbyte.base import UserError
from halfbyte.base.figures import picture
from halfbyte.base.look import Look
from halfbyte.cli.output import table
from halfbyte.formats import load
from halfbyte.formats.codebooks import distance_to_optimum_db
from halfbyte.pareto.exploration import find
from halfbyte.pareto.exploration_plot import draw_gain_by_value
from halfbyte.pareto.exploration_report import summary_rows, write_exploration
from halfbyte.pareto.parents import Parent, find_parent
from tests.factory import sample

SPACE = parse_space(
    "name: small\n"
    "formats: [int4, e2m1]\n"
    "families: [supernormal: {base: e2m1, from: -8, to: 8, step: 1/2}]\n"
)
TWO = Parent("two", "two distributions", (("normal", None), ("student_t", 5.0)))
NORMAL = find_parent("normal")


def record(fmt, area, architecture="sign_magnitude", **figures):
    """A record of a MAC of this format."""
    figures = {"proof": sample(MacProof), **figures}
    return sample(
        SynthesisRecord, format=fmt.name, activation=fmt.name, architecture=architecture,
        area_um2=area, area_ge=area / 3.75, **figures,
    )  # fmt: skip


def area_of(fmt):
    """A made-up area in µm²: formats with larger integers need more."""
    return 900.0 + 3 * sum(abs(integer) for integer in fmt.integers)


@pytest.fixture(scope="module")
def records():
    """Two designs of each format: the second is smaller."""
    return [
        made
        for fmt in SPACE.formats
        for made in (record(fmt, area_of(fmt) + 50, "slow"), record(fmt, area_of(fmt)))
    ]


@pytest.fixture(scope="module")
def findings(records):
    """The exploration for two parents."""
    return find(SPACE.formats, records, [TWO, NORMAL])


def test_candidates_are_the_smallest_designs_with_mean_distances(findings):
    assert [each.format for each in findings.candidates] == list(SPACE.formats)
    for each in findings.candidates:
        assert each.area_um2 == area_of(each.format)
        assert each.record.architecture == "sign_magnitude"
        parts = [distance_to_optimum_db(each.format, *pair) for pair in TWO.distributions]
        expected = {"two": fmean(parts), "normal": parts[0]}
        assert each.distances == pytest.approx(expected, abs=1e-8)


def test_mirrored_values_are_equally_accurate(findings):
    by_name = {each.format.name: each for each in findings.candidates}
    for value in ("5", "5_2", "7_2", "9_2", "11_2"):
        pair = by_name[f"e2m1_p{value}"], by_name[f"e2m1_m{value}"]
        assert pair[0].distances == pair[1].distances


def test_the_base_of_a_format_has_the_same_values_except_the_supernormal(findings):
    by_name = {each.format.name: each for each in findings.candidates}
    base = by_name["e2m1"]
    assert base.base is base.format
    assert base.supernormal is None
    assert by_name["e2m1_p5"].base is base.format
    assert by_name["e2m1_p5"].supernormal == 5
    assert by_name["e2m1_p5"].refinement == 1
    assert by_name["int4"].base is None
    finer = parse_space(
        "name: s\nformats: [e2m1]\n"
        "families: [supernormal: {base: e2m1, from: 5.125, to: 5.125, step: 1}]"
    )
    found = find(finer.formats, [record(fmt, 1.0) for fmt in finer.formats], [NORMAL])
    assert found.candidates[1].refinement == 4


def test_no_format_beats_the_frontier_in_area_and_distance_for_the_first_parent(findings):
    def beats(one, other):
        mine, theirs = ((e.area_um2, e.distances["two"]) for e in (one, other))
        return mine != theirs and mine[0] <= theirs[0] and mine[1] <= theirs[1]

    expected = {
        each.format.name
        for each in findings.candidates
        if not any(beats(other, each) for other in findings.candidates)
    }
    assert {each.format.name for each in findings.frontier} <= expected
    figures = {(each.area_um2, each.distances["two"]) for each in findings.frontier}
    assert figures == {
        (each.area_um2, each.distances["two"])
        for each in findings.candidates
        if each.format.name in expected
    }
    for each in findings.candidates:
        better = findings.dominator(each)
        assert (better is None) == (each.format.name in expected)
        assert better is None or beats(better, each)


def test_files_are_written_and_agree_with_each_other(findings, records, tmp_path):
    written = write_exploration("A title", findings, records, tmp_path)
    names = {path.name for path in written if path.parent == tmp_path}
    assert names == {
        *(f"{plot}.{kind}" for plot in ("frontier", "supernormal")
          for kind in ("png", "svg", "pdf", "txt")), "frontier.md",
        "candidates.csv", "candidates.json", "designs.csv", "designs.json",
    }  # fmt: skip
    rows = json.loads((tmp_path / "candidates.json").read_text())
    table = list(csv.DictReader((tmp_path / "candidates.csv").read_text().splitlines()))
    assert [row["format"] for row in rows] == [fmt.name for fmt in SPACE.formats]
    assert [float(row["area_um2"]) for row in table] == [row["area_um2"] for row in rows]
    assert len(json.loads((tmp_path / "designs.json").read_text())) == len(records)
    best = {each.format.name for each in findings.frontier}
    assert {row["format"] for row in rows if row["on_frontier"]} == best
    for path in written:
        if path.suffix == ".yaml":
            (same,) = (each.format for each in findings.frontier if each.format.name == path.stem)
            assert load(path).values == same.values
    shipped = {
        fmt.values for fmt in (load(name) for name in ("int4", "e2m1", "e2m1_sp", "e2m1_sr"))
    }
    files = {path.stem for path in written if path.suffix == ".yaml"}
    assert files == {
        each.format.name for each in findings.frontier if each.format.values not in shipped
    }
    again = write_exploration("A title", findings, records, tmp_path / "again")
    assert [path.read_bytes() for path in again] == [path.read_bytes() for path in written]


def test_the_table_has_shipped_formats_and_the_formats_that_beat_them(findings):
    columns, rows = summary_rows(findings)
    by_title = {row[0]: dict(zip(columns, row, strict=True)) for row in rows}
    assert {"INT4", "E2M1", "E2M1+SP", "E2M1+SR"} <= set(by_title)
    areas = [float(row[3].replace(",", "")) for row in rows]
    assert areas == sorted(areas)
    sr = by_title["E2M1+SR"]
    (candidate,) = (each for each in findings.candidates if each.format.name == "e2m1_p8")
    better = findings.dominator(candidate)
    assert sr["~no larger and no less accurate"] == (better.format.title if better else "frontier")
    base = area_of(load("e2m1"))
    assert sr["~>over base"] == f"{100 * (candidate.area_um2 / base - 1):+.1f} %"
    assert by_title["INT4"]["~>over base"] == by_title["E2M1"]["~>over base"] == "-"


def test_a_narrow_terminal_shows_area_accuracies_and_proof(findings, monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", "80")
    four = [replace(findings.parents[0], name=name) for name in ("minilm", "bytelm", "t5")]
    distances = [
        each.distances | dict.fromkeys(("minilm", "bytelm", "t5"), 1.25)
        for each in findings.candidates
    ]
    candidates = [
        replace(each, distances=found)
        for each, found in zip(findings.candidates, distances, strict=True)
    ]
    shown = replace(findings, candidates=candidates, parents=[*four, NORMAL])
    columns, rows = summary_rows(shown)
    table("Space", columns, rows)
    head = capsys.readouterr().out.split("┡")[0]
    for title in ("area µm²", "minilm", "bytelm", "t5", "normal", "proof"):
        assert title in head
    assert "architecture" not in head


@pytest.mark.parametrize("width", [None, 180.0, 88.0])
def test_titles_of_shipped_formats_do_not_overlap(findings, width):
    (base,) = (each.base for each in findings.candidates if each.format.name == "e2m1")
    group = [each for each in findings.candidates if each.base is base]
    named = {"e2m1_p5": "E2M1+SP", "e2m1_p8": "E2M1+SR"}
    with picture(9.0, 6.2, title="", caption="", look=Look(width_mm=width)) as drawn:
        axes = drawn.figure.subplots(1, 4)[0]
        draw_gain_by_value(axes, group, findings, named)
        drawn.figure.canvas.draw()  # places the annotations
        sp, sr = (Text.get_window_extent(text) for text in axes.texts)
    assert not sp.overlaps(sr)


def test_the_plot_of_supernormals_is_left_out_if_there_are_none(tmp_path):
    formats = [load("int4"), load("apot4")]
    records = [record(fmt, area_of(fmt)) for fmt in formats]
    written = write_exploration("A title", find(formats, records, [NORMAL]), records, tmp_path)
    assert "supernormal.png" not in {path.name for path in written}
    assert "frontier.png" in {path.name for path in written}


def test_formats_on_the_frontier_must_be_proved(tmp_path):
    formats = [load("int4"), load("apot4")]
    records = [record(fmt, area_of(fmt), proof=None) for fmt in formats]
    findings = find(formats, records, [NORMAL])
    with pytest.raises(UserError, match="Only proved netlists are shown; not proved: int4, apot4"):
        write_exploration("A title", findings, records, tmp_path)
    one = findings.with_records({"int4": replace(records[0], proof=sample(MacProof))})
    assert [each.record.is_proved for each in one.candidates] == [True, False]
    with pytest.raises(UserError, match="not proved: apot4"):
        write_exploration("A title", one, records, tmp_path)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"technology": "asap7"}, "with the same technology, but the records have 2"),
        ({"terms": 128}, "with the same number of terms, but the records have 2"),
        ({"activation": "int8"}, "share a format"),
    ],
)
def test_records_that_cannot_be_compared_are_refused(records, changed, message):
    mixed = [records[0], replace(records[1], **changed)]
    with pytest.raises(UserError, match=message):
        find(SPACE.formats, mixed, [NORMAL])


def test_no_records_are_an_error():
    with pytest.raises(UserError, match="at least one design"):
        find(SPACE.formats, [], [NORMAL])


def test_parents_are_found_by_name():
    assert NORMAL.distributions == (("normal", None),)
    assert find_parent("t7.5").distributions == (("student_t", 7.5),)
    with pytest.raises(UserError, match=r"nu must be 2\.01 to 1e"):
        find_parent("t2")
    with pytest.raises(UserError, match="nosuchmodel"):
        find_parent("nosuchmodel")


def test_a_model_as_parent_has_a_distribution_for_each_layer(tmp_path):
    values = np.random.default_rng(3).standard_t(6, (2, 64, 256)).astype(np.float32)
    path = tmp_path / "mine.safetensors"
    save_file({"a.weight": values[0], "b.weight": values[1], "b.bias": values[1, 0]}, path)
    parent = find_parent(str(path))
    assert len(parent.distributions) == 2
    assert all(name == "student_t" and 4 < nu < 10 for name, nu in parent.distributions)
    assert parent.title == "mine, Student's t of its 2 layers"
