"""Runs the regression of the BF16 MAC: simulates all scenarios and makes one record.

A scenario is a sequence of operands with one purpose, such as sums that cancel.
"""

import secrets
import time

from halfbyte.base import versions_of
from halfbyte.rtl import port_widths, to_verilog
from halfbyte.rtl.bf16 import Bf16Mac
from halfbyte.sim.bf16.plan import SCENARIOS, Bf16Plan
from halfbyte.sim.bf16.scenarios import rows_of
from halfbyte.sim.ports import PortMap
from halfbyte.sim.records import Bf16SimulationRecord
from halfbyte.sim.runner import SEED_BITS
from halfbyte.sim.simulation import simulate
from halfbyte.sim.simulator import check_simulator, simulator_version
from halfbyte.sim.wrapper import TIMESCALE

__all__ = ["run_bf16_regression"]

TEST_MODULE = "halfbyte.sim.tb_bf16_mac"
CYCLES = 20_000
_MODULE = "bf16_mac"


def run_bf16_regression(
    *,
    cycles: int = CYCLES,
    simulator: str = "verilator",
    waves: bool = False,
    seed: int | None = None,
) -> Bf16SimulationRecord:
    """Simulate the BF16 MAC against the golden model; return the record.

    Each scenario has ``cycles`` clock cycles. Raises SimulationError if RTL and golden model differ
    or some results were not checked, ToolError if a tool is missing or fails, and UserError if the
    simulator is unknown.
    """
    start = time.monotonic()
    check_simulator(simulator)
    seed = secrets.randbits(SEED_BITS) if seed is None else seed
    mac = Bf16Mac()
    ports = PortMap(*port_widths(mac))
    plans = {
        scenario: Bf16Plan(seed, ports, rows_of(scenario, cycles, seed)) for scenario in SCENARIOS
    }
    outcome = simulate(
        "\n".join([TIMESCALE, to_verilog(mac, _MODULE), ports.verilog(_MODULE)]),
        plans,
        name="bf16_mac",
        test_module=TEST_MODULE,
        simulator=simulator,
        waves=waves,
    )
    return Bf16SimulationRecord(
        unit="bf16_mac",
        simulator=simulator,
        seed=seed,
        scenarios=outcome.checked,
        checks=sum(outcome.checked.values()),
        passed=True,
        waves=str(outcome.waves) if outcome.waves else None,
        versions={**versions_of("amaranth", "pyosys"), **simulator_version(simulator)},
        build_seconds=round(outcome.build_seconds, 3),
        seconds=round(time.monotonic() - start, 3),
    )
