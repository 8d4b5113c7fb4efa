"""The Pareto report: its plots and data, and its check of the claims of Dotzel et al. (2024)."""

import csv
import json
import xml.etree.ElementTree as ElementTree
from dataclasses import replace

import pytest
from matplotlib import rc_context

from halfbyte.accuracy.record import EvaluationRecord, MeasureRecord
from halfbyte.area import SynthesisRecord
from halfbyte.area.proofs.results import MacProof
from halfbyte.base import UserError
from halfbyte.formats import load
from halfbyte.pareto import measured_frontier, write_report
from halfbyte.pareto.claims import claims
from halfbyte.pareto.quality import measured_quality
from tests.factory import sample

AREAS = {
    "int4": 1000.0, "apot4": 1110.0, "e2m1": 1100.0, "e2m1_sp": 1150.0, "e2m1_sr": 1240.0,
    "e3m0": 1400.0, "sf4": 2600.0, "sf4_lut6": 1700.0, "int8": 3000.0,
}  # fmt: skip
FIDELITIES = {
    "int4": 0.95, "apot4": 0.94, "e2m1": 0.96, "e2m1_sp": 0.97, "e2m1_sr": 0.98, "e3m0": 0.93,
    "sf4": 0.975, "sf4_lut6": 0.974, "int8": 0.9999,
}  # fmt: skip


def formats():
    return [load("sf4@6" if name == "sf4_lut6" else name) for name in AREAS]


def area_records(areas=AREAS, **figures):
    """Records of MACs with these areas by format, in µm²."""
    figures = {"terms": 256, "acc_width": 17, "proof": sample(MacProof), **figures}
    return [
        sample(
            SynthesisRecord,
            format=name,
            activation=name,
            technology="sky130hd",
            architecture="sign_magnitude",
            recipe="resub",
            area_um2=area,
            area_ge=area / 3.75,
            multiplier_um2=0.3 * area,
            accumulator_um2=0.3 * area,
            register_um2=0.4 * area,
            **figures,
        )
        for name, area in areas.items()
    ]


def measure(title, value, *, higher_is_better, baseline=1.0):
    """A measure of accuracy with its loss relative to the baseline."""
    loss = (1 - value / baseline) * (1 if higher_is_better else -1)
    return MeasureRecord(
        title=title,
        unit="1",
        higher_is_better=higher_is_better,
        value=value,
        low=value - 0.002,
        high=value + 0.002,
        baseline=baseline,
        loss=loss,
        loss_low=loss - 0.002,
        loss_high=loss + 0.002,
    )


def accuracy_records(fidelities=FIDELITIES):
    """Records of evaluations with these fidelities by format."""
    return [
        sample(
            EvaluationRecord,
            format=name,
            measures={"fidelity": measure("fidelity", value, higher_is_better=True)},
        )
        for name, value in fidelities.items()
    ]


def by_format(records):
    return {record.format: record for record in records}


def test_writes_plots_with_their_data(tmp_path):
    _, written = write_report(formats(), area_records(), accuracy_records(), tmp_path)
    plots = ("published_accuracy", "measured_fidelity")
    kinds = ("png", "svg", "pdf", "txt", "csv", "json")
    expected = {f"{plot}.{kind}" for plot in plots for kind in kinds}
    assert {path.name for path in written} == expected | {"claims.md", "claims.json"}
    for plot in plots:
        assert (tmp_path / f"{plot}.png").read_bytes().startswith(b"\x89PNG")
        assert (tmp_path / f"{plot}.pdf").read_bytes().startswith(b"%PDF")
        svg = ElementTree.fromstring((tmp_path / f"{plot}.svg").read_text())  # noqa: S314 (our own)
        assert svg.tag.endswith("svg")
        rows = list(csv.DictReader((tmp_path / f"{plot}.csv").read_text().splitlines()))
        data = json.loads((tmp_path / f"{plot}.json").read_text())
        assert [row["format"] for row in rows] == [row["format"] for row in data]
        assert [float(row["area_um2"]) for row in rows] == [row["area_um2"] for row in data]
        assert "int8" not in {row["format"] for row in rows}  # too wide for the plot
    best = [row["format"] for row in data if row["on_frontier"]]
    assert set(best) == {"int4", "e2m1", "e2m1_sp", "e2m1_sr"}
    told = measured_frontier(formats(), area_records(), accuracy_records())
    assert told == sorted(best, key=AREAS.get)


@pytest.mark.parametrize("proof", [None, sample(MacProof, status="undecided")])
def test_unproved_netlists_are_not_plotted(proof, tmp_path):
    records = area_records()
    records[1] = replace(records[1], proof=proof)
    name = records[1].format
    with pytest.raises(UserError, match=f"Only proved netlists are plotted; not proved: {name} "):
        write_report(formats(), records, accuracy_records(), tmp_path)
    assert not list(tmp_path.iterdir())


def test_same_records_give_the_same_files(tmp_path):
    for folder in ("one", "two"):
        write_report(formats(), area_records(), accuracy_records(), tmp_path / folder)
    for path in (tmp_path / "one").iterdir():
        assert path.read_bytes() == (tmp_path / "two" / path.name).read_bytes(), path.name


def test_claims_follow_the_records():
    found = claims(by_format(area_records()), measured_quality(accuracy_records()))
    by_question = {claim.question: claim for claim in found}
    measured = next(claim for question, claim in by_question.items() if "fidelity" in question)
    assert (measured.verdict, measured.why) == ("holds", "")
    sr = by_question["What does SR (+8) cost over E2M1?"]
    assert (sr.verdict, sr.paper) == ("holds", "+12.3 % of the MAC, +1.2 % of the chip")
    assert sr.ours == "+12.7 % of the MAC, +1.3 % of the chip"
    sp = by_question["What does SP (+5) cost over E2M1?"]
    assert (sp.verdict, sp.paper) == ("differs", "+27.9 % of the MAC, +2.8 % of the chip")
    assert "the paper's accumulator has 19 bits, ours 17, lossless for 256 terms" in sp.why
    # Table 10 of the paper has the areas in um^2. SP adds 121.5 - 79.7 to the multiplier and
    # 96.5 - 90.7 to the accumulator. The text below gives both in percent of
    # E2M1's MAC, 170.4.
    assert "the paper's cost: multiplier +24.5 %, accumulator +3.4 %" in sp.why
    assert "ours: multiplier +1.4 %, accumulator +1.4 %, register +1.8 %" in sp.why
    sf4 = by_question["Where does sf4 stand?"]
    assert sf4.ours.startswith("2.60 times INT4's MAC, 136.4 % larger than E2M1; +16.0 % of the ")
    assert "sf4 is on the frontier" in sf4.why  # with the published accuracies
    assert "sf4 is dominated by e2m1_sr" in sf4.why  # with the measured accuracies
    smaller = by_question["Where does sf4_lut6 stand?"]
    assert "published" not in smaller.why
    assert "sf4_lut6 is dominated by e2m1_sr" in smaller.why


def test_claims_change_with_the_records():
    areas = by_format(area_records({**AREAS, "apot4": 900.0, "e2m1_sp": 1400.0}))
    fidelities = measured_quality(accuracy_records({**FIDELITIES, "apot4": 0.965}))
    found = claims(areas, fidelities)
    measured = next(claim for claim in found if "fidelity" in claim.question)
    assert measured.verdict == "differs"
    assert "int4 is dominated by apot4" in measured.why
    assert "apot4 is on the frontier too: its MAC is 10.0 % smaller than int4's" in measured.why
    # In the paper, the MAC of APoT4 is larger than that of E2M1 (181.6 and 170.4 um^2). In these
    # records, APoT4 is more accurate.
    own = "that the paper synthesized, the frontier would be int4, e2m1, apot4, e2m1_sr; the 95 % "
    assert own in measured.why
    (sp,) = (claim for claim in found if "SP (+5)" in claim.question)
    assert sp.verdict == "holds"


def test_a_different_number_of_terms_is_named_instead_of_widths():
    records = area_records(terms=1024, acc_width=19)
    found = claims(by_format(records), measured_quality(accuracy_records()))
    (sp,) = (claim for claim in found if "SP (+5)" in claim.question)
    assert "ours is for 1024 terms, the paper's for 256" in sp.why
    assert "bits" not in sp.why


def test_formats_without_a_quality_are_left_out(tmp_path):
    fidelities = {name: value for name, value in FIDELITIES.items() if name != "e2m1_sr"}
    answered, _ = write_report(formats(), area_records(), accuracy_records(fidelities), tmp_path)
    measured = next(claim for claim in answered if "fidelity" in claim.question)
    assert measured.ours == "int4, e2m1, e2m1_sp, sf4_lut6, sf4"
    data = json.loads((tmp_path / "measured_fidelity.json").read_text())
    assert "e2m1_sr" not in {row["format"] for row in data}


def test_wide_formats_are_drawn_when_there_are_no_others(tmp_path):
    records = area_records({"int8": 3000.0}), accuracy_records({"int8": 0.9999})
    _, written = write_report([load("int8")], *records, tmp_path)
    assert tmp_path / "measured_fidelity.svg" in written


def test_settings_of_the_user_do_not_change_the_plots(tmp_path):
    records = area_records(), accuracy_records()
    write_report(formats(), *records, tmp_path / "plain")
    with rc_context({"lines.linewidth": 9, "font.size": 20, "savefig.dpi": 30}):
        write_report(formats(), *records, tmp_path / "set")
    for path in (tmp_path / "plain").iterdir():
        assert path.read_bytes() == (tmp_path / "set" / path.name).read_bytes(), path.name


def test_one_format_is_enough_and_none_is_an_error(tmp_path):
    records = area_records({"e2m3": 1700.0}), accuracy_records({"e2m3": 0.99})
    answered, written = write_report([load("e2m3")], *records, tmp_path)
    assert answered == []
    names = {path.name for path in written}
    assert {"measured_fidelity.png", "claims.md", "claims.json"} <= names
    assert not any(name.startswith("published") for name in names)
    with pytest.raises(UserError, match="needs at least one format"):
        write_report([], [], [], tmp_path)


def test_a_measure_where_less_is_better_is_drawn_upside_down(tmp_path):
    records = []
    for record in accuracy_records():
        bits = 1.2 + (1 - record.measures["fidelity"].value)
        made = measure("bits per byte", bits, higher_is_better=False, baseline=1.2)
        records.append(replace(record, measures={"bits_per_byte": made}))
    quality = measured_quality(records)
    assert quality.is_loss
    assert quality.values["int4"] == pytest.approx(-100 * 0.05 / 1.2)
    low, high = quality.intervals["int4"]
    assert low < quality.values["int4"] < high
    _, written = write_report(formats(), area_records(), records, tmp_path)
    assert tmp_path / "measured_bits_per_byte.png" in written
    rows = json.loads((tmp_path / "measured_bits_per_byte.json").read_text())
    (loss,) = (row["bits_per_byte_loss_percent"] for row in rows if row["format"] == "int4")
    assert loss == pytest.approx(100 * 0.05 / 1.2)
    assert (
        "loss in bits per byte, % (less is better)"
        in (tmp_path / "measured_bits_per_byte.svg").read_text()
    )
