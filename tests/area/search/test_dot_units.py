"""Synthesis and proofs of dot-product units. A lane multiplies one pair of codes."""

import pytest

from halfbyte.area.cells.technology import load_technology
from halfbyte.area.search import dot_units
from halfbyte.area.search.dot_units import synthesize_dots
from halfbyte.area.search.synthesis_jobs import netlist_path
from halfbyte.formats import SCALE_CODES, load
from halfbyte.rtl.dot import Accumulator, DotSpec

pytestmark = pytest.mark.yosys
E2M1, INT4 = load("e2m1"), load("int4")
# A factor for the number of annealing moves of a lane, to save time.
EFFORT = 0.002


def smallest(spec, technology="sky130hd", **options):
    """The record of the smallest unit that the search finds."""
    (record,) = synthesize_dots(
        [spec], load_technology(technology), effort=EFFORT, jobs=1, **options
    )
    return record


@pytest.mark.parametrize("technology", ["sky130hd", "sg13g2", "asap7"])
def test_a_unit_is_proved_in_every_technology(technology):
    record = smallest(DotSpec(INT4, INT4, 2, "partial_products", acc_width=12), technology)
    assert record.proof.status == "proved"
    assert record.proof.accumulator == record.proof.netlist == "proved"
    assert record.area_um2 == pytest.approx(2 * record.um2_per_lane)
    assert record.delay_ps > 0
    assert record.energy_fj > record.clock_energy_fj > 0
    assert netlist_path(record.netlist).is_file()


def test_a_clock_is_met_by_another_final_adder():
    spec = DotSpec(INT4, INT4, 4, "partial_products", acc_width=24)
    slow = smallest(spec, prove=False)
    assert (slow.final_adder, slow.clock_ps, slow.slack_ps) == ("ripple", None, None)
    record = smallest(spec, clock_ps=0.7 * slow.delay_ps)
    assert record.final_adder in ("prefix", "balanced")
    assert record.delay_ps <= record.clock_ps < slow.delay_ps
    assert record.wns_ps == 0
    assert record.area_um2 > slow.area_um2
    assert record.proof.status == "proved"
    relaxed = smallest(spec, prove=False, clock_ps=2 * slow.delay_ps)
    assert (relaxed.area_um2, relaxed.final_adder) == (slow.area_um2, "ripple")


def test_full_adders_are_the_librarys_cells():
    record = smallest(DotSpec(INT4, INT4, 3, "partial_products", acc_width=16), prove=False)
    netlist = netlist_path(record.netlist).read_text()
    # Each of three lanes gives 16 one-bit partial products, and the accumulator has 16 bits. These
    # are 64 bits. A full adder turns three bits into two, so nearly 48 full adders leave 16 bits.
    assert netlist.count("fa_1 ") > 40
    assert record.proof is None


def test_a_unit_of_scaled_blocks_says_what_is_not_proved():
    spec = DotSpec(
        E2M1,
        E2M1,
        2,
        "exponent_shift",
        accumulator=Accumulator.EXACT,
        scale=SCALE_CODES["e8m0"],
        window=(-2, 1),
        terms=4,
        block=1,
    )
    record = smallest(spec)
    assert record.scale == "e8m0"
    assert record.window == (-2, 1)
    assert record.proof.status == "proved"
    assert record.proof.simulated == "scales, shift, addition"


def test_lanes_that_are_too_wide_for_a_table_are_not_annealed():
    fmt = load("int5")
    record = smallest(DotSpec(fmt, fmt, 2, "twos_complement", terms=2))
    assert record.lane_moves == 0
    assert record.proof.status == "proved"


def test_units_with_equal_fp32_stages_share_one_proof(monkeypatch):
    class Runner:
        def run(self, jobs):
            self.jobs = jobs
            return [f"proof {number}" for number, _ in enumerate(jobs)]

    monkeypatch.setattr(dot_units, "_with_stage", lambda record, spec, stage: (record, stage))
    scaled = {"accumulator": Accumulator.FP32, "scale": SCALE_CODES["e8m0"], "block": 32}
    specs = [
        DotSpec(E2M1, E2M1, 8, **scaled),
        DotSpec(E2M1, E2M1, 8),
        DotSpec(E2M1, E2M1, 16, **scaled),
    ]
    runner = Runner()
    records = dot_units._with_stages(["first", "second", "third"], specs, runner)
    assert records == [("first", "proof 0"), "second", ("third", "proof 0")]
    assert len(runner.jobs) == 1
