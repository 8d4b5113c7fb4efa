"""The regression runs on synthesized netlists: correct ones pass, and wrong ones fail.

A regression simulates a MAC in several scenarios and compares all sums with the golden model.
"""

from dataclasses import replace

import pytest

from halfbyte.area import load_technology
from halfbyte.area.search.variant_netlists import map_variants
from halfbyte.formats import load
from halfbyte.rtl import MacSpec
from halfbyte.sim import Netlists, SimulationError, run_regression

pytestmark = [pytest.mark.simulator, pytest.mark.yosys]

CYCLES = 2000


def regression(netlists, spec):
    """Run the regression of ``spec`` on mapped netlists."""
    mapped = Netlists(netlists.cells, netlists.macs)
    return run_regression(spec, cycles=CYCLES, seed=5, netlists=mapped)


@pytest.mark.parametrize(("name", "technology"), [("e1m2", "sky130hd"), ("apot4", "asap7")])
def test_netlists_agree_with_the_golden_model(name, technology):
    """ASAP7's adders and flip-flop have inverted outputs."""
    fmt, card = load(name), load_technology(technology)
    spec = MacSpec(fmt, fmt, "sign_magnitude")
    netlists = map_variants(spec, "resub", card, jobs=2)
    assert f"module {card.flip_flop.name} " in netlists.cells
    record = regression(netlists, spec)
    assert record.passed
    assert record.level == "netlist"
    assert record.scenarios["pairs"] == 8 * 256


def test_a_wrong_cell_is_caught():
    fmt, card = load("e1m2"), load_technology("sky130hd")
    spec = MacSpec(fmt, fmt, "sign_magnitude")
    netlists = map_variants(spec, "resub", card, jobs=2)
    nand = card.nand2
    ((pin, function),) = nand.outputs.items()
    right = f"output {pin});\n  assign {pin} = {function};"
    assert right in netlists.cells
    wrong = replace(netlists, cells=netlists.cells.replace(right, right.replace("|", "&")))
    assert wrong != netlists
    with pytest.raises(SimulationError, match="terms, netlist: mismatch in scenario pairs"):
        regression(wrong, spec)


def test_a_named_netlist_replaces_the_lossless_one(tmp_path):
    card = load_technology("sky130hd")
    spec = MacSpec(load("e1m2"), load("e1m2"), "sign_magnitude")
    right = map_variants(spec, "resub", card, jobs=2)
    named = tmp_path / "named.v"
    named.write_text(right.macs[0].replace("acc[1]", "acc[0]", 1))
    mapped = map_variants(spec, "resub", card, lossless=named, jobs=2)
    assert mapped.macs == (named.read_text(), *right.macs[1:])
