"""The user's own cell libraries on the command line: as Liberty files, or as technology cards.

A technology card is a YAML file with the cells that synthesis needs.
"""

import json
import shutil
from types import SimpleNamespace

import pytest

from halfbyte.area.cells.strengths import Doubt
from halfbyte.area.cells.technology import CARDS
from halfbyte.cli import options

MAC = ("synth", "e1m2", "--arch", "sign_magnitude", "--terms", "1", "--json")
# A format with two-bit codes is synthesized quickly.
TINY = ("synth", "tiny.yaml", *MAC[2:])
LIBRARY = """library (own_tt) {
  nom_voltage : 1.1; time_unit : "1ns"; capacitive_load_unit (1, pf); %s
  cell (INV) { area : 1; pin (A) { direction : input; }
    pin (Y) { direction : output; function : !A; } }
  cell (NAND2) { area : 2; pin (A B) { direction : input; }
    pin (Y) { direction : output; function : "(A B)'"; } }
  cell (NAND2_STRONG) { area : 1.5; pin (A B) { direction : input; }
    pin (Y) { direction : output; function : "(A B)'"; } }
  cell (BROKEN) { area : 1; pin (A) { direction : } }
  cell (DFF) { area : 4; ff (IQ) { clocked_on : CK; next_state : D; }
    pin (CK D) { direction : input; } pin (Q) { direction : output; function : IQ; } }
}"""


@pytest.fixture
def tiny(tmp_path):
    text = "{name: tiny, title: Tiny, values: [0, 1, 3, -2], source: us}"
    (tmp_path / "tiny.yaml").write_text(text)


def own_card(path, name):
    """Write a copy of the card sg13g2 under another name."""
    text = (CARDS / "sg13g2.yaml").read_text().replace("name: sg13g2", f"name: {name}", 1)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


@pytest.mark.yosys
@pytest.mark.usefixtures("tiny")
def test_a_card_is_used_by_its_path(halfbyte, tmp_path):
    own_card(tmp_path / "card.yaml", "mine")
    (own,) = json.loads(halfbyte(*TINY, "--tech", "./card.yaml").stdout)
    (shipped,) = json.loads(halfbyte(*TINY, "--tech", "sg13g2").stdout)
    assert own["technology"] == "mine"
    assert own["area_um2"] == shipped["area_um2"]


def test_cards_in_the_user_s_folder_are_used_by_name(halfbyte, tmp_path, monkeypatch):
    monkeypatch.setenv("HALFBYTE_HOME", str(tmp_path / "own"))
    own_card(tmp_path / "own" / "technologies" / "mine.yaml", "mine")
    names = [card["name"] for card in json.loads(halfbyte("tech", "list", "--json").stdout)]
    assert names[0] == "sky130hd"
    assert names[-1] == "mine"


def test_a_card_must_not_have_the_name_of_a_shipped_one(halfbyte, tmp_path):
    own_card(tmp_path / "card.yaml", "asap7")
    done = halfbyte(*MAC, "--tech", "card.yaml", check=False)
    assert done.returncode == 1
    assert "has the name of a shipped card, asap7: give it another name" in done.stderr
    shutil.copy(CARDS / "asap7.yaml", tmp_path / "copy.yaml")
    assert "Area" not in halfbyte("formats", "int4").stderr


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--liberty", "own.lib", "--tech", "asap7"], "--tech names a card and --liberty a full"),
        (["--tech", "none.yaml"], "none.yaml cannot be read"),
        (["--tech", "own.lib"], "Unknown technology 'own.lib'"),
        (
            ["--tech", "./own.lib"],
            "own.lib is a Liberty file, not a card: give a full library with --liberty",
        ),
        (["--liberty", "own.lib", "--dont-use", "NOR*"], "No cell of own_tt matches 'NOR*'"),
        (["--liberty", "own.lib", "--dont-use", "NAND*"], "no two-input NAND among its 2 usable"),
        (["--liberty", "own.lib", "--dont-use", "DFF"], "no rising-edge D flip-flop among"),
    ],
)
def test_unusable_cards_and_libraries_are_named_in_one_line(halfbyte, tmp_path, options, message):
    (tmp_path / "own.lib").write_text(LIBRARY % "")
    done = halfbyte(*MAC, *options, check=False)
    assert done.returncode == 1
    lines = [line for line in done.stderr.splitlines() if not line.startswith("note: ")]
    assert len(lines) == 1
    assert message in lines[0]


@pytest.mark.yosys
@pytest.mark.usefixtures("tiny")
def test_a_library_of_nand_inverter_and_flip_flop_is_enough(halfbyte, tmp_path):
    """Values that the library cannot give are null, with a reason. A malformed cell is named."""
    (tmp_path / "own.lib").write_text(LIBRARY % "")
    done = halfbyte(*TINY, "--liberty", "own.lib", "--dont-use", "*_STRONG")
    (record,) = json.loads(done.stdout)
    assert record["proof"]["status"] == "proved"
    assert [record[key] for key in ("delay_ps", "energy_fj", "leakage_nw")] == [None] * 3
    assert "the library states no" in record["not_measured"]
    assert "note: cell BROKEN is left out: " in done.stderr
    strong = json.loads(halfbyte(*TINY, "--liberty", "own.lib").stdout)[0]
    assert strong["area_um2"] < record["area_um2"]


def test_a_library_without_areas_is_refused(halfbyte, tmp_path):
    text = (LIBRARY % "").replace("area :", "footprint :")
    (tmp_path / "own.lib").write_text(text)
    done = halfbyte(*MAC, "--liberty", "own.lib", check=False)
    assert done.returncode == 1
    assert "states an area" in done.stderr or "states no area" in done.stderr


@pytest.mark.parametrize(
    ("count", "cells", "pairs"),
    [
        (1, "1 more cell is left out", "a against b, and 1 more pair is doubtful: "),
        (2, "2 more cells are left out", "a against b, and 2 more pairs are doubtful: "),
    ],
)
def test_notes_on_a_library_are_cut_off(monkeypatch, count, cells, pairs):
    doubts = [
        Doubt(SimpleNamespace(name="a", area=1), SimpleNamespace(name="b", area=2))
        for _ in range(count + 1)
    ]
    monkeypatch.setattr(Doubt, "__str__", lambda _: "a against b")
    monkeypatch.setattr("halfbyte.area.timing.delay.typical_slew", lambda _: 1.0)
    monkeypatch.setattr("halfbyte.area.cells.strengths.doubtful_areas", lambda *_: doubts)
    technology = SimpleNamespace(
        left_out={
            f"c{number}": "it states no area" for number in range(options._MOST_NOTES + count)
        },
        inverter=SimpleNamespace(inputs={"a": 1.0}),
        cells={},
    )
    *_, left_out, doubt = options._notes(technology)
    assert left_out == cells
    assert pairs in doubt
