"""Synthesis for a given clock, sweeps of clocks, and libraries without timing tables.

A card is a file with part of a cell library. A recipe is a way to synthesize.
"""

from dataclasses import replace

import pytest

from halfbyte.area import SynthesisRecord, load_technology, synthesize
from halfbyte.area.search.curve import sweep_clocks
from halfbyte.area.synthesis import clocked as clocked_module
from halfbyte.area.synthesis.adders import CELLS, GATES, TREES, adder_options
from halfbyte.area.synthesis.recipes import QUICK
from halfbyte.base import UserError
from halfbyte.formats import Overflow, load
from halfbyte.rtl import MacSpec
from tests.factory import sample

TERMS = 4


@pytest.fixture(scope="module", autouse=True)
def build(shared_build):
    """Share the store of the test session, and shorten the search by trying fewer recipes."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HALFBYTE_BUILD", str(shared_build))
        patch.setattr(clocked_module, "SECOND", clocked_module.SECOND[:2])
        patch.setattr(clocked_module, "FINALISTS", 1)
        patch.setattr(clocked_module, "SAVED", (QUICK, clocked_module.FIRST[-1]))
        patch.setattr(clocked_module, "SEGMENTS", (1, 4))
        yield


@pytest.fixture(scope="module")
def design():
    fmt = load("e1m2")
    return MacSpec(fmt, fmt, "sign_magnitude", TERMS)


@pytest.fixture(scope="module")
def card():
    return load_technology("sky130hd")


@pytest.fixture(scope="module")
def relaxed(design, card):
    """The record of the smallest MAC, without a clock to meet."""
    (record,) = synthesize([design], card)
    return record


@pytest.mark.yosys
def test_record_has_delay_energy_and_leakage(relaxed):
    assert relaxed.clock_ps is relaxed.slack_ps is relaxed.wns_ps is None
    assert 1000 < relaxed.delay_ps < 10_000
    assert 0 < relaxed.clock_energy_fj < relaxed.energy_fj < relaxed.uniform_energy_fj
    assert 0.01 < relaxed.leakage_nw < 1
    assert relaxed.critical_path.endswith("cells")
    assert (relaxed.operands, relaxed.not_measured) == ("minilm", None)
    assert relaxed.flip_flops == relaxed.acc_width


@pytest.mark.yosys
def test_relaxed_clock_costs_nothing(design, card, relaxed):
    (record,) = synthesize([design], card, clock_ps=relaxed.delay_ps + 1)
    same = ("area_um2", "recipe", "delay_ps", "netlist", "multiplier_um2")
    assert all(getattr(record, key) == getattr(relaxed, key) for key in same)
    assert (record.slack_ps, record.wns_ps) == (1, 0)


@pytest.mark.yosys
def test_clock_is_met_by_a_larger_mac(design, card, relaxed):
    clock = 0.6 * relaxed.delay_ps
    (record,) = synthesize([design], card, clock_ps=clock)
    assert record.delay_ps <= clock
    assert record.wns_ps == 0 <= record.slack_ps
    assert record.area_um2 > relaxed.area_um2
    assert record.segment is None  # carry-save accumulators are for clocks that nothing else meets
    assert record.proof.status == "proved"
    assert record.clock_ps == clock


@pytest.mark.yosys
def test_carry_save_meets_a_clock_that_other_accumulators_miss(design, card):
    (registered,) = synthesize([design], card, clock_ps=50, saved_carries=False, prove=False)
    assert registered.segment is None
    assert registered.acc_delay_ps < registered.delay_ps
    clock = registered.delay_ps - 1
    (record,) = synthesize([design], card, clock_ps=clock)
    assert record.segment in clocked_module.SEGMENTS
    assert record.wns_ps == 0
    assert record.flip_flops > record.acc_width
    assert record.acc_delay_ps > registered.acc_delay_ps
    assert record.acc_cycles == -(-record.acc_delay_ps // clock)
    assert record.proof.status == "proved"


@pytest.mark.yosys
def test_saturating_accumulators_are_never_carry_save(design, card):
    saturating = replace(design, acc_width=6, overflow=Overflow.SATURATE)
    records = synthesize([saturating], card, clock_ps=50, every=True, prove=False)
    assert {record.segment for record in records} == {None}


@pytest.mark.yosys
def test_impossible_clock_gives_the_fastest_mac_and_its_negative_slack(design, card):
    records = synthesize([design], card, clock_ps=50, every=True, prove=False)
    delays = [record.delay_ps for record in records]
    assert delays == sorted(delays)
    assert records[0].wns_ps == records[0].slack_ps == pytest.approx(50 - delays[0])
    assert records[0].wns_ps < 0


@pytest.mark.yosys
def test_sweep_is_monotonic(design, card, relaxed):
    clocks = [1.1 * relaxed.delay_ps, 0.6 * relaxed.delay_ps, 50]
    records = sweep_clocks([design], card, clocks=clocks)
    assert [record.clock_ps for record in records] == clocks
    areas = [record.area_um2 for record in records]
    assert areas == sorted(areas)
    assert records[0].area_um2 == relaxed.area_um2
    assert [record.wns_ps < 0 for record in records] == [False, False, True]
    for record in records:
        assert record.slack_ps == pytest.approx(record.clock_ps - record.delay_ps, abs=0.01)


@pytest.mark.yosys
def test_without_timing_tables_a_record_has_an_area_and_a_reason(design, card, relaxed):
    bare = {
        name: replace(cell, arcs={pin: {} for pin in cell.outputs}, energies={}, input_energies={})
        for name, cell in card.cells.items()
    }
    technology = replace(card, cells=bare)
    (record,) = synthesize([design], technology, prove=False)
    assert record.area_um2 == relaxed.area_um2
    assert record.delay_ps is record.energy_fj is None
    assert "no timing tables" in record.not_measured
    assert record.leakage_nw > 0
    with pytest.raises(UserError, match="no timing tables"):
        synthesize([design], technology, clock_ps=1000)
    with pytest.raises(UserError, match=r"gives no delays: cell .* no timing tables"):
        sweep_clocks([design], technology, clocks=[1000])


def test_slack_is_clock_minus_delay():
    late = sample(SynthesisRecord, delay_ps=120.0).at_clock(100.0)
    assert (late.slack_ps, late.wns_ps) == (-20, -20)
    assert late.acc_cycles is None
    early = sample(SynthesisRecord, delay_ps=70.0, acc_delay_ps=201.0).at_clock(100.0)
    assert (early.slack_ps, early.wns_ps, early.acc_cycles) == (30, 0, 3)
    unknown = sample(SynthesisRecord).at_clock(100.0)
    assert unknown.slack_ps is unknown.wns_ps is unknown.acc_cycles is None


def test_recipes_for_clocks_name_their_target():
    for recipe in (*clocked_module.FIRST, *clocked_module.SECOND):
        assert recipe.clocked
        assert "{clock}" not in recipe.script(1000.0)
        assert f"-D {recipe.share * 1000:.1f}" in recipe.script(1000.0)
        with pytest.raises(ValueError, match="needs a clock"):
            recipe.script(None)
        names = {other.name for other in clocked_module.retargeted(recipe)}
        assert len(names) == 3
    assert not QUICK.clocked
    assert clocked_module.retargeted(QUICK) == []


def test_every_adder_has_a_techmap():
    options = {adder: adder_options(adder) for adder in (CELLS, GATES, *TREES)}
    assert options[CELLS] == options[GATES] == "-map adders.v"
    assert options["sklansky"] == "-map +/techmap.v -map +/choices/sklansky.v"
