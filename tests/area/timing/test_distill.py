"""Technology cards are small files with those cells of a full library that MACs need.

Areas and functions of the cells are the same as in the library. MACs have nearly the same area,
delay and energy with a card as with the full library.
"""

import gzip
import json
from dataclasses import replace

import pytest

from halfbyte.area.cells.function import canonical_table, truth_table
from halfbyte.area.cells.technology import CARDS, Technology, load_technology
from halfbyte.area.netlists.modules import MAC
from halfbyte.area.synthesis.adders import adder_techmap
from halfbyte.area.synthesis.recipes import QUICK
from halfbyte.area.synthesis.yosys import synthesize_rtlil
from halfbyte.area.timing import distill as distill_module
from halfbyte.area.timing.distill import MAX_INPUTS, distill
from halfbyte.area.timing.measure import measure_netlist
from halfbyte.area.timing.operands import load_operands
from halfbyte.base import UserError, run_yosys
from halfbyte.formats import load, lossless_acc_width
from halfbyte.rtl import Mac, MacSpec, to_rtlil

NAMES = ("sky130hd", "sg13g2", "asap7")


def function(cell, pin):
    """An output's truth table, the same for any order of the inputs."""
    return canonical_table(truth_table(cell.outputs[pin], list(cell.inputs)), len(cell.inputs))


@pytest.mark.parametrize("name", NAMES)
def test_committed_card_is_what_the_command_writes(name, full_library, monkeypatch):
    library = full_library(name)
    monkeypatch.setattr(distill_module, "read_library", lambda paths: library)
    card = load_technology(name)
    text = distill([], name=name, title=card.title, source=card.source, licence=card.licence)
    assert text == (CARDS / f"{name}.yaml").read_text()


def test_reads_the_files_that_it_is_given(library_files):
    text = distill(library_files("sg13g2"), name="mine")
    card = (CARDS / "sg13g2.yaml").read_text()
    assert text[text.index("cells:") :] == card[card.index("cells:") :]
    assert "title: sg13g2_stdcell_typ_1p20V_25C\n" in text


@pytest.mark.parametrize("name", NAMES)
def test_card_is_small_and_names_source_and_licence(name):
    card = load_technology(name)
    assert (CARDS / f"{name}.yaml").stat().st_size < 250_000
    assert len(card.cells) < 150
    assert card.source and card.licence in ("Apache-2.0", "BSD-3-Clause")


@pytest.mark.parametrize("name", NAMES)
def test_cells_are_those_of_the_library(name, full_library):
    whole = full_library(name)
    for cell in load_technology(name).cells.values():
        full = whole.cells[cell.name]
        for part in ("area", "leakage", "inputs", "late_inputs", "outputs"):
            assert getattr(cell, part) == getattr(full, part), cell.name


@pytest.mark.parametrize("name", NAMES)
def test_no_gate_of_few_inputs_is_smaller_in_the_full_library(name, full_library):
    kept = {}
    for cell in load_technology(name).plain_cells:
        if not cell.flip_flop and len(cell.outputs) == 1:
            (pin,) = cell.outputs
            known = kept.get(function(cell, pin), cell.area)
            kept[function(cell, pin)] = min(known, cell.area)
    for cell in full_library(name).cells.values():
        if not cell.flip_flop and len(cell.outputs) == 1 and len(cell.inputs) <= MAX_INPUTS:
            (pin,) = cell.outputs
            assert kept[function(cell, pin)] <= cell.area, cell.name


@pytest.mark.parametrize("name", NAMES)
def test_basic_cells_have_the_same_area_as_in_the_full_library(name, full_library):
    library, card = full_library(name), load_technology(name)
    whole = Technology(name, "", library.corner, "", "", library.cells)
    for role in ("nand2", "inverter", "buffer", "flip_flop"):
        assert getattr(card, role).area == getattr(whole, role).area
    assert (card.full_adder, card.half_adder) == (whole.full_adder, whole.half_adder)


def test_a_library_without_a_required_cell_is_refused(tmp_path):
    path = tmp_path / "none.lib"
    path.write_text("library (none) { cell (A) { area : 1; } }")
    with pytest.raises(UserError, match="none has no two-input NAND among its 0 usable cells"):
        distill([path], name="none")


# With ASAP7's whole library, Yosys would use this larger flip-flop. The areas would then differ
# too much to compare the gates.
_NOT_USED = {"asap7": "-dont_use DFFHQx4_ASAP7_75t_R"}
_SCRIPT = """\
libcache -scl -disable
read_rtlil design.il
hierarchy -check -top mac
setattr -unset init w:*
proc -norom
opt -full
wreduce
alumacc
opt
techmap -map adders.v
techmap
flatten
opt -full
dfflibmap {libraries} {options}
abc {libraries} {options} -script abc.script
opt_clean -purge
tee -q -o statistics.json stat -json {libraries}
"""
_ABC = "strash; ifraig; scorr; dc2; strash; dch; amap -m; topo\n"


def mac_area(rtlil, card, libraries, folder, options=""):
    """The area that Yosys finds with ``libraries``, the texts of Liberty files."""
    folder.mkdir()
    for index, text in enumerate(libraries):
        (folder / f"{index}.lib").write_bytes(text)
    (folder / "design.il").write_text(rtlil)
    (folder / "adders.v").write_text(adder_techmap(card))
    (folder / "abc.script").write_text(_ABC)
    flags = " ".join(f"-liberty {index}.lib" for index in range(len(libraries)))
    run_yosys(_SCRIPT.format(libraries=flags, options=options), folder, "Synthesis of a MAC")
    return json.loads((folder / "statistics.json").read_text())["design"]["area"]


@pytest.mark.yosys
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    ("reference", "architecture"), [("int4", "sign_magnitude"), ("sf4@6", "product_table")]
)
def test_mac_area_is_nearly_that_of_the_full_library(
    name, reference, architecture, library_files, tmp_path
):
    card, fmt = load_technology(name), load(reference)
    rtlil = to_rtlil(Mac(MacSpec(fmt, fmt, architecture)))
    raw = [gzip.decompress(path.read_bytes()) for path in library_files(name)]
    whole = mac_area(rtlil, card, raw, tmp_path / "whole", _NOT_USED.get(name, ""))
    small = mac_area(rtlil, card, [card.liberty_text().encode()], tmp_path / "card")
    assert small == pytest.approx(whole, rel=0.03)
    # Much of the area is logic, so equal flip-flops alone do not make the areas equal.
    assert whole > 1.5 * card.flip_flop.area * lossless_acc_width(fmt, fmt, 256)


@pytest.mark.yosys
@pytest.mark.parametrize("name", NAMES)
def test_delay_and_energy_are_nearly_those_of_the_full_library(name, full_library, tmp_path):
    card, fmt = load_technology(name), load("int4")
    whole = replace(card, cells=full_library(name).cells, strengths=frozenset())
    rtlil = to_rtlil(Mac(MacSpec(fmt, fmt, "sign_magnitude")))
    synthesize_rtlil(rtlil, card, QUICK, tmp_path)
    small, full = (
        measure_netlist(
            tmp_path / "netlist.json",
            MAC,
            technology,
            weight=fmt,
            activation=fmt,
            terms=256,
            operands=load_operands("minilm"),
        )
        for technology in (card, whole)
    )
    for figure in ("delay_ps", "energy_fj", "uniform_energy_fj", "clock_energy_fj"):
        assert getattr(small, figure) == pytest.approx(getattr(full, figure), rel=0.03), figure
    assert small.leakage_nw == full.leakage_nw
