"""Technologies: the cells that synthesis may use, with their areas, delays and energies.

A technology comes from a card (a small YAML file) or from a full library in Liberty files.
"""

import json
import pickle
from dataclasses import replace

import pytest
import yaml

from halfbyte.area.cells import technology as technology_module
from halfbyte.area.cells.cell import Cell, FlipFlop
from halfbyte.area.cells.nldm import Table
from halfbyte.area.cells.technology import (
    from_card,
    from_liberty,
    load_technology,
    technology_names,
)
from halfbyte.base import UserError, run_yosys

NAMES = ("sky130hd", "asap7", "sg13g2")
NO_SETUP = Table.constant(0.0)


@pytest.fixture(params=NAMES)
def card(request):
    return load_technology(request.param)


def positive(table):
    """The table with 0.01 instead of smaller values."""
    return table._replace(values=tuple(tuple(max(v, 0.01) for v in row) for row in table.values))


def without(technology, *cells):
    """The technology without some of its cells."""
    kept = {name: cell for name, cell in technology.cells.items() if cell not in cells}
    return replace(technology, cells=kept)


def test_default_card_is_listed_first():
    assert technology_names()[0] == NAMES[0]
    assert set(NAMES) <= set(technology_names())
    assert load_technology() == load_technology("sky130hd")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("sky130", r"'sky130'; did you mean sky130hd\? Known technologies are sky130hd, asap7, "),
        ("qqqq", "Unknown technology 'qqqq'; known technologies are sky130hd"),
    ],
)
def test_unknown_technology_gives_the_list_and_the_nearest(name, message):
    with pytest.raises(UserError, match=message):
        load_technology(name)


@pytest.mark.parametrize(
    ("name", "nand2", "flip_flop", "inverted"),
    [
        ("sky130hd", 3.7536, 20.0192, False),
        ("asap7", 0.05832, 0.2916, True),
        ("sg13g2", 7.2576, 48.9888, False),
    ],
)
def test_areas_are_exactly_those_of_the_library(name, nand2, flip_flop, inverted):
    card = load_technology(name)
    assert card.nand2_area == nand2
    assert card.flip_flop.area == flip_flop
    assert card.flip_flop.flip_flop.inverted is inverted


def test_flip_flop_of_sg13g2_has_its_reset_tied_inactive():
    assert load_technology("sg13g2").flip_flop.flip_flop.tied == {"RESET_B": 1}


def test_adders_know_their_pins_and_polarity():
    sky130 = load_technology("sky130hd").full_adder
    assert (sky130.total, sky130.carry) == ("SUM", "COUT")
    assert not sky130.total_inverted and not sky130.carry_inverted
    asap7 = load_technology("asap7").half_adder
    assert asap7.total_inverted and asap7.carry_inverted
    assert load_technology("sg13g2").full_adder is None


# Ranges around the known values. In a wrong unit of measurement, a value would be wrong by a factor
# of 1000.
@pytest.mark.parametrize(
    ("name", "delay_ps", "input_ff", "leakage_nw"),
    [
        ("sky130hd", (20, 80), (1, 4), (1e-3, 1e-1)),
        ("sg13g2", (20, 80), (1, 5), (1e-3, 1)),
        ("asap7", (2, 20), (0.1, 1), (1e-3, 1)),
    ],
)
def test_units_are_ps_ff_and_nw(name, delay_ps, input_ff, leakage_nw):
    inverter = load_technology(name).inverter
    ((source, capacitance),) = inverter.inputs.items()
    (arcs,) = inverter.arcs.values()
    (arc,) = arcs[source]
    assert input_ff[0] < capacitance < input_ff[1]
    assert leakage_nw[0] < inverter.leakage < leakage_nw[1]
    # A fan-out of four: the inverter drives four inverters. Its input slew is the output slew of
    # another inverter with that load.
    load = 4 * capacitance
    rise = arc.rise.delay.at(arc.fall.transition.at(0, load), load)
    fall = arc.fall.delay.at(arc.rise.transition.at(0, load), load)
    assert delay_ps[0] < (rise + fall) / 2 < delay_ps[1]


def test_every_gate_has_timing_from_every_input(card):
    for cell in card.cells.values():
        sources = [cell.flip_flop.clock] if cell.flip_flop else list(cell.inputs)
        for arcs in cell.arcs.values():
            assert sorted(arcs) == sorted(sources), cell.name


@pytest.mark.parametrize(
    ("part", "message"),
    [
        ("nand2", "no two-input NAND"),
        ("inverter", "no inverter"),
        ("flip_flop", "no rising-edge D flip-flop"),
    ],
)
def test_missing_part_is_named_with_the_remedy(part, message):
    whole = load_technology("sky130hd")
    pattern = getattr(whole, part)
    alike = [
        cell
        for cell in whole.cells.values()
        if cell.flip_flop or list(cell.outputs.values()) == list(pattern.outputs.values())
        if bool(cell.flip_flop) == bool(pattern.flip_flop)
    ]
    with pytest.raises(UserError, match=f"{message} among its .* give all files of the library"):
        without(whole, *alike)


def test_liberty_round_trip_keeps_the_technology(card, tmp_path):
    path = tmp_path / "card.lib"
    path.write_text(card.liberty_text(clocked=True))
    again = from_liberty([path])
    assert again.name == card.name
    assert again.flip_flop.flip_flop.tied == card.flip_flop.flip_flop.tied
    for name, cell in again.cells.items():
        assert (cell.area, cell.inputs, cell.outputs) == (
            card.cells[name].area,
            card.cells[name].inputs,
            card.cells[name].outputs,
        )
        assert cell.arcs.keys() == card.cells[name].arcs.keys()
        for pin, by_source in cell.arcs.items():
            for source, arcs in by_source.items():
                for mine, other in zip(arcs, card.cells[name].arcs[pin][source], strict=True):
                    assert mine.sense == other.sense
                    # ABC accepts only positive delays, so the text has no others.
                    assert mine.rise.delay == positive(other.rise.delay), name
                    assert mine.fall.transition == positive(other.fall.transition), name


def test_stronger_cells_are_only_for_clocks(card):
    """``strengths`` names stronger versions of cells, used only if there is a clock to meet."""
    plain, clocked = card.liberty_text(), card.liberty_text(clocked=True)
    combinational = [name for name in card.strengths if not card.cells[name].flip_flop]
    assert combinational
    for name in combinational:
        assert f"cell ({name})" in clocked
        assert f"cell ({name})" not in plain
    assert card.nand2.name not in card.strengths


def test_name_of_a_library_becomes_an_identifier(tmp_path):
    path = tmp_path / "x.lib"
    text = load_technology("sg13g2").liberty_text()
    path.write_text(text.replace("library (sg13g2)", 'library ("My-Lib 1.2")'))
    assert from_liberty([path]).name == "my_lib_1_2"
    path.write_text(text.replace("library (sg13g2)", 'library ("130nm")'))
    assert from_liberty([path]).name == "library"


def test_content_hash_follows_the_cells(card):
    assert card.content_hash == load_technology(card.name).content_hash
    cells = dict(card.cells)
    cells[card.nand2.name] = replace(card.nand2, area=1.0)
    assert replace(card, cells=cells).content_hash != card.content_hash


def test_technology_can_be_sent_to_another_process(card):
    assert pickle.loads(pickle.dumps(card)) == card  # noqa: S301


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (lambda card: card.pop("cells"), "is not a technology card .*cells"),
        (lambda card: card.update(name="../x"), "must be a lower-case letter, then at most 39"),
        (lambda card: card["cells"].update({"a b": card["cells"]["sg13g2_inv_1"]}), "identifiers"),
        (lambda card: card["cells"]["sg13g2_inv_1"].update(area=float("nan")), "must be positive"),
        (lambda card: card["cells"]["sg13g2_inv_1"]["outputs"]["Y"].update(function="!B"), "'B'"),
    ],
)
def test_malformed_card_is_a_user_error(tmp_path, edit, message):
    data = yaml.safe_load((technology_module.CARDS / "sg13g2.yaml").read_text())
    edit(data)
    path = tmp_path / "card.yaml"
    path.write_text(yaml.safe_dump(data))
    with pytest.raises(UserError, match=message):
        from_card(path)


@pytest.mark.parametrize("text", ["", "[1, 2]", "a: [", "\udcff"])
def test_other_files_are_not_a_card(tmp_path, text):
    path = tmp_path / "card.yaml"
    path.write_bytes(text.encode("utf-8", errors="surrogateescape"))
    with pytest.raises(UserError, match="not a technology card"):
        from_card(path)


_COUNTER = """\
module counter(input clk, input [3:0] a, output reg [3:0] q);
  always @(posedge clk) q <= q + (a ^ 4'd5);
endmodule
"""
_MAP = """\
libcache -scl -disable
read_verilog design.v
synth -noabc -top counter
dfflibmap -liberty cells.lib
abc -liberty cells.lib
opt_clean -purge
tee -q -o statistics.json stat -json -liberty cells.lib
write_verilog -noattr netlist.v
"""


def map_counter(technology, folder):
    """Map a counter to cells; returns its area, the number of cells by name, and the netlist."""
    (folder / "design.v").write_text(_COUNTER)
    (folder / "cells.lib").write_text(technology.liberty_text())
    run_yosys(_MAP, folder, "Mapping a counter")
    design = json.loads((folder / "statistics.json").read_text())["design"]
    return design["area"], design["num_cells_by_type"], (folder / "netlist.v").read_text()


@pytest.mark.yosys
def test_yosys_maps_onto_the_liberty_of_every_card(card, tmp_path):
    area, cells, netlist = map_counter(card, tmp_path)
    assert set(cells) <= set(card.cells)
    assert cells[card.flip_flop.name] == 4
    expected = sum(card.cells[name].area * count for name, count in cells.items())
    assert area == pytest.approx(expected, rel=1e-6)
    for pin, level in card.flip_flop.flip_flop.tied.items():
        assert netlist.count(f".{pin}(1'h{level})") == 4


@pytest.mark.yosys
@pytest.mark.parametrize("inverted", [False, True])
@pytest.mark.parametrize(
    ("clear", "preset"), [("", ""), ("R", ""), ("!R", ""), ("", "!S"), ("R", "!S")]
)
def test_yosys_ties_clear_and_preset_of_every_kind_of_flip_flop(tmp_path, clear, preset, inverted):
    card = load_technology("sg13g2")
    flip_flop = FlipFlop("D", "CLK", "Q", inverted, (NO_SETUP, NO_SETUP), clear, preset)
    pins = {"D": 1.0, "CLK": 1.0} | dict.fromkeys(flip_flop.tied, 1.0)
    outputs = {"Q": "IQN" if inverted else "IQ"}
    cell = Cell("DFF", 30.0, 1.0, pins, outputs, {"Q": {}}, flip_flop)
    cells = {name: gate for name, gate in card.cells.items() if not gate.flip_flop}
    technology = replace(card, cells={**cells, "DFF": cell})
    _, counts, netlist = map_counter(technology, tmp_path)
    assert counts["DFF"] == 4
    for pin, level in flip_flop.tied.items():
        assert netlist.count(f".{pin}(1'h{level})") == 4


@pytest.mark.parametrize(
    ("name", "low", "high"),
    [
        ("sky130hd", ("sky130_fd_sc_hd__conb_1", "LO"), ("sky130_fd_sc_hd__conb_1", "HI")),
        ("asap7", ("TIELOx1_ASAP7_75t_R", "L"), ("TIEHIx1_ASAP7_75t_R", "H")),
        ("sg13g2", ("sg13g2_tielo", "L_LO"), ("sg13g2_tiehi", "L_HI")),
    ],
)
def test_every_card_has_cells_for_both_constants(name, low, high):
    card = load_technology(name)
    assert (card.tie(0), card.tie(1)) == (low, high)
    bare = replace(card, cells={name: cell for name, cell in card.cells.items() if cell.inputs})
    assert bare.tie(0) is None and bare.tie(1) is None
