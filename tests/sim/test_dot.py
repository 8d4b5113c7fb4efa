"""The regression of dot-product units passes for the RTL and fails for a wrong unit.

A regression simulates a unit in several scenarios and compares all results with the golden model.
"""

import shutil
import subprocess
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

from halfbyte.formats import SCALE_CODES, Format, load
from halfbyte.rtl import to_verilog
from halfbyte.rtl.dot import Accumulator, DotSpec, FinalAdder
from halfbyte.rtl.dot.unit import has_small_stage
from halfbyte.sim.dot import regression
from halfbyte.sim.dot.export import export_dot
from halfbyte.sim.dot.plan import DOT_SCENARIOS
from halfbyte.sim.dot.regression import expected_words, run_dot_regression
from halfbyte.sim.dot.scenarios import SCENARIOS, stimulus_of
from halfbyte.sim.dot.stimulus import Stimulus
from halfbyte.sim.errors import SimulationError

E2M1, INT4 = load("e2m1"), load("int4")
MXFP4 = DotSpec(
    E2M1, E2M1, 2, "exponent_shift", accumulator=Accumulator.FP32, scale=SCALE_CODES["e8m0"]
)


def test_every_scenario_is_run():
    assert tuple(SCENARIOS) == DOT_SCENARIOS


def test_scenarios_reach_every_kind_of_fp32_number():
    bits = {
        scenario: expected_words(MXFP4, stimulus_of(MXFP4, scenario, 2000, 1))[:, 0] & 0x7FFFFFFF
        for scenario in DOT_SCENARIOS
    }
    assert (bits["scales"] == 0x7FC00000).any()
    ends = bits["ends"]
    assert (ends == 0x7F800000).any()
    assert ((ends > 0) & (ends < 0x00800000)).any()
    assert (bits["cancelling"] == 0).sum() > 100


def test_scenarios_reach_ties():
    """Half a unit in the last place is added to sums. Rounding to even changes only odd sums."""
    stimulus = stimulus_of(MXFP4, "ties", 3000, 1)
    acc = expected_words(MXFP4, stimulus)[:, 0]
    second = ~stimulus.clear[1:]
    same = (acc[1:] == acc[:-1])[second]
    assert same.any()
    assert not same.all()


def test_scenarios_reach_odd_sums_of_every_size():
    """A fault in one bit of the normalization shows only in sums of a certain bit length."""
    spec = replace(MXFP4, lanes=32)
    stimulus = stimulus_of(spec, "sizes", 4000, 1)
    sums = (np.array(E2M1.integers)[stimulus.w] * np.array(E2M1.integers)[stimulus.a]).sum(axis=1)
    largest = 32 * max(E2M1.integers) ** 2
    for negative in (False, True):
        odd = {abs(int(each)).bit_length() for each in sums[(sums < 0) == negative] if each % 2}
        assert odd >= set(range(4, largest.bit_length()))
    assert abs(sums).max().item().bit_length() == largest.bit_length()


@pytest.mark.simulator
@pytest.mark.parametrize(
    "spec",
    [
        DotSpec(INT4, INT4, 2, "partial_products", acc_width=10),
        replace(MXFP4, scale=SCALE_CODES["e4m3"], block=6),
        replace(
            MXFP4,
            accumulator=Accumulator.EXACT,
            scale=SCALE_CODES["e4m3"],
            block=1,
            final_adder=FinalAdder.BALANCED,
        ),
    ],
    ids=["integer", "nvfp4", "exact, two blocks a cycle"],
)
def test_the_rtl_agrees_with_the_golden_model(spec):
    record = run_dot_regression(spec, cycles=400, seed=1)
    assert record.products > 7 * 2 * 400 * 0.9
    assert record.scenarios.keys() == set(DOT_SCENARIOS)


@pytest.mark.simulator
def test_several_blocks_a_cycle_agree_with_the_golden_model():
    spec = replace(MXFP4, lanes=4, block=2)
    record = run_dot_regression(spec, cycles=400, seed=1)
    assert record.products > 7 * 4 * 400 * 0.9


@pytest.mark.simulator
def test_a_negative_sum_times_a_scale_of_0_is_plus_0(monkeypatch):
    """The first sum is rounded to -0. A scale of 0 follows, so the next sum is +0."""
    tiny = Format("tiny", "tiny", 2, tuple(Fraction(n, 2**70) for n in (0, 1, 512, -512)))
    scale = SCALE_CODES["ue5m3"]
    spec = DotSpec(tiny, tiny, 1, "product_table", accumulator=Accumulator.FP32, scale=scale)
    assert not has_small_stage(spec)
    w, a = np.full((2, 1), 3, np.uint8), np.ones((2, 1), np.uint8)
    scales = np.array([1, 0], np.uint8), np.array([1, 1], np.uint8)
    stimulus = Stimulus(w, a, np.array([True, False]), np.ones(2, np.bool_), *scales)
    assert expected_words(spec, stimulus).tolist() == [[-(1 << 31)], [0]]
    monkeypatch.setattr(regression, "stimulus_of", lambda *_: stimulus)
    assert run_dot_regression(spec, cycles=2, seed=1).passed


def test_each_block_of_a_cycle_sees_every_pair_of_codes():
    stimulus = stimulus_of(replace(MXFP4, lanes=4, block=2), "lanes", 100, 1)
    pairs = stimulus.w.astype(int) << 4 | stimulus.a
    assert all(len(set(lane)) == 256 for lane in pairs.T)
    assert stimulus.w_scale.shape == (len(stimulus), 2)


@pytest.mark.simulator
def test_a_wrong_unit_fails():
    spec = DotSpec(INT4, INT4, 2, "partial_products", acc_width=10)
    other = to_verilog(
        replace(spec, weight=load("e1m2"), architecture="sign_magnitude").component(), "dot"
    )
    with pytest.raises(SimulationError, match=r"mismatch in cycle \d+"):
        run_dot_regression(spec, cycles=200, seed=1, netlist=other)


def test_the_exported_bench_passes(tmp_path):
    record = export_dot(MXFP4, tmp_path)
    assert record.count == 1500
    if shutil.which("iverilog") is None:
        pytest.skip("iverilog is not installed")
    files = [record.bench, record.verilog]
    _run("iverilog", "-g2012", "-o", "sim", *files, folder=tmp_path)
    assert "PASS: 1500 vectors" in _run("vvp", "sim", folder=tmp_path)


def _run(program, *arguments, folder):
    command = [shutil.which(program), *arguments]
    return subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True).stdout
