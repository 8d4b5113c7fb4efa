"""``--unit`` of ``pareto``, ``recommend`` and ``rank``: results, and options that are refused."""

import json

import numpy as np
import pytest

from halfbyte.accuracy.evaluation import Evaluation
from halfbyte.accuracy.record import EvaluationRecord, MeasureRecord
from halfbyte.area.proofs.results import DotProof
from halfbyte.area.search.dot_records import DotRecord
from halfbyte.base import UserError
from halfbyte.cli.hardware import Hardware
from halfbyte.formats import load
from halfbyte.golden.scales import ScaleFormat
from tests.factory import sample


def test_the_recipe_gets_the_block_size_and_scales_of_the_unit():
    recipe = Hardware("dot", 16, "e4m3").recipe(None)
    assert recipe.name == "w4a4_e4m3_b16"
    gathered = Hardware("dot", 8, "e8m0", "32").recipe("w4_mx")
    # The recipe keeps its own rule for rounding E8M0 scales.
    assert (gathered.weights.block, gathered.weights.scale_format) == (32, ScaleFormat.E8M0_FLOOR)
    assert Hardware("dot", 16).recipe(None).name == "w4"
    assert Hardware("mac", block="64").recipe(None).name == "w4_b64"


def test_formats_that_do_not_fit_the_unit_are_left_out_or_refused(capsys):
    hardware, formats = Hardware("dot", 1024, "ue5m3"), [load("int4"), load("e4m3")]
    assert hardware.fitting(formats, None, 256, strict=False) == [load("int4")]
    assert "the format e4m3 is left out: The scaled sum of a block" in capsys.readouterr().err
    with pytest.raises(UserError, match="at most 53 significant bits"):
        hardware.fitting(formats, None, 256, strict=True)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["pareto", "--unit", "cpu"], "Unit must be mac, dot or array, not 'cpu'"),
        (["pareto", "--lanes", "4"], "--lanes is for --unit dot or array, not for mac"),
        (["recommend", "--max-loss", "1%", "--scale", "e8m0"], "--scale is for --unit dot"),
        (["pareto", "--unit", "dot", "--scale", "e8m1"], "Unknown scale format 'e8m1'"),
        (
            ["pareto", "--unit", "dot", "--axis", "mac_area"],
            "The axis for --unit dot must be one of lane_area",
        ),
        (["pareto", "--rows", "4"], "--rows is for --unit array"),
        (["pareto", "--unit", "array", "--rows", "0"], "rows must be an integer from 1"),
        (
            ["pareto", "e2m1", "--unit", "dot", "--scale", "e8m0", "--block", "channel"],
            "--block of a unit with scales must be a number",
        ),
        (["pareto", "e2m1", "--unit", "dot", "--lanes", "0"], "Lanes must be 1 to 1024, not 0"),
        (["pareto", "--unit", "dot", "--dataflow", "weight"], "--dataflow is for --unit array"),
        (["pareto", "e2m1", "--unit", "array", "--depth", "9"], "--depth is for --dataflow weight"),
        (
            ["recommend", "e2m1", "--max-loss", "1%", "--unit", "array", "--dataflow", "up"],
            "Dataflow must be output or weight, not 'up'",
        ),
        (
            ["rank", "e2m1", "--levels", "--dataflow", "weight", "--depth", "16"],
            "With 16 rows, depth must be an odd number of at least 17, or at least 31, not 16",
        ),
        (["rank", "--lanes", "4"], "--lanes is for --levels"),
        (["rank", "--dataflow", "weight"], "--dataflow is for --levels"),
        (["rank", "--levels", "--scale", "e8m1"], "Unknown scale format 'e8m1'"),
    ],
)
def test_bad_input_ends_in_one_line(halfbyte, arguments, message):
    done = halfbyte(*arguments, check=False)
    assert done.returncode != 0
    assert message in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


LOSSES = {"int4": 0.1, "e2m1": 0.05}


def evaluated(reference, formats, recipe, **_):
    """Stand-in for ``evaluate``: gives LOSSES, the same in every bootstrap replicate."""
    return [
        Evaluation(
            sample(
                EvaluationRecord, format=fmt.name, recipe=recipe.name, items=2,
                measures={"fidelity": sample(
                    MeasureRecord, title="fidelity", value=1 - LOSSES[fmt.name], low=0.8, high=1.0,
                    baseline=1.0,
                    loss=LOSSES[fmt.name], loss_low=0.0, loss_high=0.2,
                )},
            ),
            {"fidelity_loss": np.full(4, LOSSES[fmt.name])},
        )
        for fmt in formats
    ]  # fmt: skip


def synthesized(specs, technology, **_):
    """Stand-in for ``synthesize_dots``: the second unit is twice as large as the first."""
    return [
        sample(
            DotRecord, format=spec.weight.name, activation=spec.activation.name, unit="dot",
            technology=technology.name, lanes=spec.lanes, scale="e8m0", block=spec.block_size,
            um2_per_lane=100.0 * place, area_um2=200.0 * place, proof=sample(DotProof),
        )
        for place, spec in enumerate(specs, 1)
    ]  # fmt: skip


def test_accuracy_is_joined_with_the_area_per_lane(halfbyte, monkeypatch, tmp_path):
    monkeypatch.setattr("halfbyte.area.search.dot_units.synthesize_dots", synthesized)
    monkeypatch.setattr("halfbyte.accuracy.evaluate", evaluated)
    unit = ["--unit", "dot", "--lanes", "2", "--scale", "e8m0", "--block", "16", "--json"]
    records = json.loads(halfbyte("pareto", "int4", "e2m1", *unit).stdout)
    assert records[-1]["recipe"] == "w4a4_e8m0_rceil_b16"
    (folder,) = (tmp_path / "build" / "pareto").iterdir()
    assert "dot2_e8m0_block16" in folder.name
    name = "measured_fidelity_by_lane_area_dot2_e8m0_block16"
    rows = json.loads((folder / f"{name}.json").read_text())
    assert {row["format"]: row["um2_per_lane"] for row in rows} == {"int4": 100.0, "e2m1": 200.0}
    assert {row["unit"] for row in rows} == {"dot"}
    assert (folder / "report.html").is_file()
    chosen = halfbyte("recommend", "int4", "e2m1", *unit, "--max-area", "150")
    (recommendation,) = json.loads(chosen.stdout)
    assert recommendation["choice"]["format"] == "int4"
    assert recommendation["choice"]["area_um2"] == 100.0
