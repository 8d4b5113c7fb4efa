"""Synthesized netlists equal their RTL, and the same input gives the same netlist."""

from pathlib import Path

import pytest

from halfbyte.area import load_technology
from halfbyte.area.cells.technology import Technology
from halfbyte.area.netlists.modules import MAC, MULTIPLIER
from halfbyte.area.netlists.netlist import read_netlist
from halfbyte.area.synthesis import annealed
from halfbyte.area.synthesis.recipes import (
    ANNEAL,
    DEEP,
    QUICK,
    RECIPES,
    Recipe,
    annealing,
    recipes_for,
)
from halfbyte.area.synthesis.yosys import SynthesisResult, synthesize_rtlil
from halfbyte.base import ToolError, run_yosys
from halfbyte.formats import load
from halfbyte.rtl import Mac, MacSpec, multiplier, to_rtlil

pytestmark = pytest.mark.yosys

# Both designs have the same register, `acc`. So one step of induction is enough: if the two
# registers are equal in any state, they are equal in all next states.
_PROOF = """\
read_rtlil design.il
hierarchy -top mac
proc -norom
flatten
setattr -unset init w:*
opt_clean -purge
rename -top gold
write_rtlil gold.il
design -reset
read_liberty -ignore_miss_func cells.lib
read_verilog netlist.v
hierarchy -top mac
proc
flatten
async2sync
opt -purge
rename -top gate
write_rtlil gate.il
design -reset
read_rtlil gold.il
read_rtlil gate.il
equiv_make gold gate equal
hierarchy -top equal
opt_clean
equiv_simple
equiv_induct
equiv_status -assert
"""


@pytest.fixture(scope="module")
def sky130hd() -> Technology:
    return load_technology("sky130hd")


def synthesize(
    name: str, architecture: str, technology: Technology, recipe: Recipe, folder: Path
) -> SynthesisResult:
    fmt = load(name)
    mac = Mac(MacSpec(fmt, fmt, architecture))
    return synthesize_rtlil(to_rtlil(mac), technology, recipe, folder)


# A recipe is a way to synthesize. The last recipe differs from the one before only in its number of
# annealing moves.
@pytest.mark.parametrize("recipe", RECIPES[:-1], ids=lambda recipe: recipe.name)
@pytest.mark.parametrize(
    ("name", "architecture"), [("int4", "sign_magnitude"), ("e2m1_sp", "exponent_shift")]
)
def test_netlist_equals_rtl(
    name: str, architecture: str, recipe: Recipe, sky130hd: Technology, tmp_path: Path
) -> None:
    synthesize(name, architecture, sky130hd, recipe, tmp_path)
    run_yosys(_PROOF, tmp_path, "Proof")


@pytest.mark.parametrize("technology", ["sg13g2", "asap7"])
def test_netlist_equals_rtl_in_other_technologies(technology: str, tmp_path: Path) -> None:
    """SG13G2 has no adder cells. ASAP7's adders and flip-flop have inverted outputs."""
    synthesize("apot4", "shift_add", load_technology(technology), QUICK, tmp_path)
    run_yosys(_PROOF, tmp_path, "Proof")


def test_proof_rejects_another_netlist(sky130hd: Technology, tmp_path: Path) -> None:
    synthesize("int4", "sign_magnitude", sky130hd, QUICK, tmp_path)
    other = Mac(MacSpec(load("e1m2"), load("int4"), "sign_magnitude"))
    (tmp_path / "design.il").write_text(to_rtlil(other))
    with pytest.raises(ToolError, match="Proof"):
        run_yosys(_PROOF, tmp_path, "Proof")


@pytest.mark.parametrize("recipe", [DEEP, ANNEAL], ids=lambda recipe: recipe.name)
def test_same_input_gives_the_same_netlist(
    recipe: Recipe, sky130hd: Technology, tmp_path: Path
) -> None:
    texts = []
    for folder in (tmp_path / "first", tmp_path / "second"):
        annealed._smallest.cache_clear()
        synthesize("e2m1", "exponent_shift", sky130hd, recipe, folder)
        texts.append((folder / "netlist.v").read_text())
    assert texts[0] == texts[1]


def summed(netlist: Path, technology: Technology, top: str) -> float:
    """The sum of the areas of all cells of a netlist."""
    read = read_netlist(netlist / "netlist.json", technology.cells, top)
    return sum(instance.cell.area for instance in read.instances)


def test_area_is_the_sum_of_the_cells(toy: Technology, tmp_path: Path) -> None:
    result = synthesize("int4", "sign_magnitude", toy, QUICK, tmp_path)
    assert result.area_um2 == summed(tmp_path, toy, MAC)
    # A sum of 256 products of up to 64 is at most 16384. With a sign, it has 16 bits, and each bit
    # takes a flip-flop of 20 um^2.
    assert (result.flip_flops, result.register_um2) == (16, 16 * 20)


def test_multiplier_alone_has_no_register(toy: Technology, tmp_path: Path) -> None:
    fmt = load("int4")
    rtlil = to_rtlil(multiplier("sign_magnitude", weight=fmt, activation=fmt), MULTIPLIER)
    alone = synthesize_rtlil(rtlil, toy, QUICK, tmp_path, top=MULTIPLIER)
    assert (tmp_path / "netlist.v").read_text().count("endmodule") == 1
    assert alone.register_um2 == 0
    assert alone.area_um2 == summed(tmp_path, toy, MULTIPLIER)


def test_failure_is_reported_with_the_log(toy: Technology, tmp_path: Path) -> None:
    broken = Recipe("broken", "not ABC", ("no_such_command",))
    with pytest.raises(ToolError, match="recipe broken"):
        synthesize("int4", "sign_magnitude", toy, broken, tmp_path)
    assert "no_such_command" in (tmp_path / "log.txt").read_text()


def test_large_netlists_skip_the_slow_recipe() -> None:
    assert DEEP in recipes_for(150)
    assert DEEP not in recipes_for(400)


def test_annealing_makes_macs_smaller(sky130hd: Technology, tmp_path: Path) -> None:
    areas = [
        synthesize("e2m1_sr", "exponent_shift", sky130hd, recipe, tmp_path / recipe.name).area_um2
        for recipe in (DEEP, ANNEAL)
    ]
    assert areas[1] < areas[0]


def test_effort_sets_the_length_of_the_annealing() -> None:
    short, long = annealing(ANNEAL, 3), annealing(ANNEAL, 20)
    assert annealing(ANNEAL, 1) is ANNEAL
    assert (short.moves, short.seeds) == (3 * ANNEAL.moves, 1)
    assert (long.moves, long.seeds) == (5 * ANNEAL.moves, 4)
    assert short.name != long.name != ANNEAL.name
