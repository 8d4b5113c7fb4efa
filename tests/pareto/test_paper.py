"""The numbers of Dotzel et al. (2024) are copied exactly, and averaged over models."""

from pathlib import Path

import pytest
import yaml

from halfbyte.formats import names
from halfbyte.pareto.paper import paper_chip, published, w4a4_accuracy

# A separate copy of the paper's tables. It is not in the repository.
FACTS = Path(__file__).resolve().parents[3] / "shared" / "facts" / "dotzel2024.yaml"


@pytest.mark.skipif(
    not FACTS.is_file(), reason="the separate copy of the paper's tables is not on this machine"
)
def test_numbers_agree_with_the_separate_copy():
    facts, ours = yaml.safe_load(FACTS.read_text()), published()
    table = facts["w4a4_delta_percent"]
    assert {key: ours["w4a4_delta_percent"][key] for key in ("models", "plain", "smoothquant")} == {
        key: table[key] for key in ("models", "plain", "smoothquant")
    }
    for name, row in facts["mac_area_28nm"].items():
        parts = ("acc_bits", "multiplier", "accumulator", "mac")
        assert ours["mac_area_28nm"][name] == {key: row[key] for key in parts}
    assert ours["system_model"] == facts["system_model"]


def test_average_is_over_models_with_numbers_for_every_format():
    both = w4a4_accuracy({"int4", "e2m1"})
    assert "mistral-7b" not in both.models  # the paper's number for e2m1 cannot be read
    assert len(both.models) == 6
    assert both.by_format["int4"] == pytest.approx(
        (-20.72 - 9.44 - 6.27 - 16.19 - 17.94 - 24.37) / 6
    )
    all_formats = w4a4_accuracy(names())
    assert all_formats.models == ("opt-1b", "phi-2", "yi-6b")
    assert all_formats.by_format["e2m1"] == pytest.approx((-11.09 - 8.41 - 11.52) / 3)
    assert "sf4_lut6" not in all_formats.by_format


def test_formats_without_numbers_are_an_error():
    with pytest.raises(ValueError, match="has no model with a number for each of e2m3"):
        w4a4_accuracy({"e2m3"})


def test_system_model_reproduces_the_chip_overheads_of_the_paper():
    model, table = paper_chip(), published()["mac_area_28nm"]
    ratio = {name: row["mac"] / table["int4"]["mac"] for name, row in table.items()}
    assert model.overhead_percent(ratio["e2m1_sr"]) == pytest.approx(1.9, abs=0.05)
    assert model.overhead_percent(ratio["int5"], bits=5) == pytest.approx(17.7, abs=0.05)


def test_parts_of_the_published_macs_add_up():
    for name, row in published()["mac_area_28nm"].items():
        parts = row["multiplier"] + row["accumulator"]
        # Each of the three numbers is rounded to one decimal.
        assert parts == pytest.approx(row["mac"], abs=0.15), name
