"""Runs the regression of a dot-product unit: simulates all scenarios and makes one record.

A scenario is a sequence of inputs with one purpose.
"""

import secrets
import time

import numpy as np
import torch
from numpy.typing import NDArray

from halfbyte.base import versions_of
from halfbyte.golden.dot_unit import exact_stream, fp32_stream, integer_stream
from halfbyte.rtl import to_verilog
from halfbyte.rtl.dot import DotSpec
from halfbyte.sim.dot.plan import DOT_SCENARIOS, DotPlan
from halfbyte.sim.dot.player import player_verilog
from halfbyte.sim.dot.scenarios import stimulus_of
from halfbyte.sim.dot.stimulus import Stimulus, packed
from halfbyte.sim.ports import PortMap
from halfbyte.sim.records import DotSimulationRecord
from halfbyte.sim.runner import SEED_BITS
from halfbyte.sim.simulation import simulate
from halfbyte.sim.simulator import check_simulator, simulator_version
from halfbyte.sim.wrapper import TIMESCALE

__all__ = ["dot_plan", "expected_words", "run_dot_regression"]

TEST_MODULE = "halfbyte.sim.tb_dot"
CYCLES = 20_000
_MODULE = "dot"


def expected_words(spec: DotSpec, stimulus: Stimulus) -> NDArray[np.int64]:
    """The expected outputs after each cycle, from the golden model; (T, outputs) int64."""
    w, a, clear, last = (
        torch.from_numpy(each) for each in (stimulus.w, stimulus.a, stimulus.clear, stimulus.last)
    )
    w_scale, a_scale = map(torch.from_numpy, (stimulus.w_scale, stimulus.a_scale))
    if spec.is_fp32:
        ends = last if spec.gathers else None
        scales = [each if spec.scale else None for each in (w_scale, a_scale)]
        acc = fp32_stream(w, a, clear, scales[0], scales[1], ends, **spec.arithmetic)
        return acc.view(torch.int32).to(torch.int64).numpy()[:, None]
    if spec.is_exact:
        total, is_nan = exact_stream(w, a, clear, w_scale, a_scale, **spec.arithmetic)
        return torch.stack((total, is_nan.to(torch.int64)), dim=1).numpy()
    return integer_stream(w, a, clear, **spec.arithmetic).numpy()[:, None]


def dot_plan(spec: DotSpec, scenario: str, *, cycles: int, seed: int) -> DotPlan:
    """The plan of a scenario: inputs, and the golden model's outputs."""
    ports = PortMap(spec.inputs, spec.outputs)
    stimulus = stimulus_of(spec, scenario, cycles, seed)
    outputs = expected_words(spec, stimulus)
    bits = [
        outputs[:, place, None] >> np.arange(width) & 1
        for place, width in enumerate(ports.outputs.values())
    ]
    return DotPlan(
        f"{spec.title}, scenario {scenario} (seed {seed})",
        spec.lanes,
        ports,
        stimulus.words(spec, ports),
        packed(np.concatenate(bits, axis=1)),
    )


def run_dot_regression(
    spec: DotSpec,
    *,
    cycles: int = CYCLES,
    simulator: str = "verilator",
    waves: bool = False,
    seed: int | None = None,
    netlist: str | None = None,
) -> DotSimulationRecord:
    """Simulate a unit and compare it with the golden model; return the record.

    Each scenario has about ``cycles`` clock cycles. If ``netlist`` is given, it is simulated
    instead of the RTL. It is Verilog of the module ``dot`` and of all modules that it instantiates.
    Raises SimulationError if unit and golden model differ or some products were not checked,
    ToolError if a tool is missing or fails, and UserError if the simulator is unknown or the
    architecture is ``auto``.
    """
    start = time.monotonic()
    check_simulator(simulator)
    seed = secrets.randbits(SEED_BITS) if seed is None else seed
    plans = {
        scenario: dot_plan(spec, scenario, cycles=cycles, seed=seed) for scenario in DOT_SCENARIOS
    }
    ports = next(iter(plans.values())).ports
    verilog = netlist or to_verilog(spec.component(), _MODULE)
    began = time.monotonic()
    outcome = simulate(
        "\n".join([TIMESCALE, verilog, player_verilog(ports, _MODULE)]),
        plans,
        name=f"{spec.name}{'-netlist' if netlist else ''}",
        test_module=TEST_MODULE,
        simulator=simulator,
        waves=waves,
    )
    running = time.monotonic() - began - outcome.build_seconds
    products = sum(outcome.checked.values())
    return DotSimulationRecord(
        **spec.fields,
        level="netlist" if netlist else "rtl",
        simulator=simulator,
        seed=seed,
        scenarios=outcome.checked,
        products=products,
        products_per_second=round(products / running),
        passed=True,
        waves=str(outcome.waves) if outcome.waves else None,
        versions={**versions_of("amaranth", "pyosys"), **simulator_version(simulator)},
        build_seconds=round(outcome.build_seconds, 3),
        seconds=round(time.monotonic() - start, 3),
    )
