"""Runs the regression of the DFloat11 decoder: simulates all scenarios and makes one record.

A scenario is a sequence of inputs with one purpose. A lane is a part of the decoder that decodes
one chunk (up to 16384 weights) at a time.
"""

import secrets
import time
from collections.abc import Mapping, Sequence
from typing import TypedDict

from amaranth.lib import wiring

from halfbyte.base import versions_of
from halfbyte.rtl import port_widths, to_verilog
from halfbyte.rtl.dfloat11 import MAX_LENGTH, ROWS, Decoder, check_decoder
from halfbyte.rtl.dfloat11.fixed import FixedDecoder
from halfbyte.rtl.dfloat11.framing import CHUNK
from halfbyte.sim.dfloat11.fixed_scenarios import fixed_sessions
from halfbyte.sim.dfloat11.plan import DecoderPlan, Session
from halfbyte.sim.dfloat11.scenarios import Shape, sessions
from halfbyte.sim.ports import PortMap
from halfbyte.sim.records import DecoderSimulationRecord
from halfbyte.sim.runner import SEED_BITS
from halfbyte.sim.simulation import simulate
from halfbyte.sim.simulator import check_simulator, simulator_version
from halfbyte.sim.wrapper import TIMESCALE

__all__ = ["run_decoder_regression", "run_fixed_regression"]

TEST_MODULE = "halfbyte.sim.tb_dfloat11"
FIXED_TEST_MODULE = "halfbyte.sim.tb_dfloat11_fixed"
_MODULE = "decoder"


def run_decoder_regression(
    *,
    lanes: int = 2,
    rows: int = ROWS,
    max_length: int = MAX_LENGTH,
    weights: int | None = None,
    simulator: str = "verilator",
    waves: bool = False,
    seed: int | None = None,
) -> DecoderSimulationRecord:
    """Simulate the decoder and compare it with the codec and a reference; return the record.

    ``rows`` and ``max_length`` are the largest number of rows in a code table, and the bits of the
    longest code. ``weights`` is the number of weights in the longest tensor; by default there is a
    whole chunk for each lane. The record's ``symbols_per_cycle`` is measured on that tensor, for
    all lanes together, from its first word to its last verdict, while no stream pauses.

    Raises
    ------
    SimulationError
        RTL and reference differ, the decoder hangs, or some results were not checked.
    ToolError
        A tool is missing or fails.
    UserError
        The simulator is unknown, or a parameter of the decoder is out of range.
    """
    check_decoder(lanes, rows, max_length)
    weights = lanes * CHUNK if weights is None else weights
    seed = secrets.randbits(SEED_BITS) if seed is None else seed
    return _simulated(
        Decoder(lanes=lanes, rows=rows, max_length=max_length),
        sessions(Shape(lanes, rows, max_length), weights=weights, seed=seed),
        title=f"DFloat11 decoder, {lanes} lanes, {rows} rows, codes of up to {max_length} bits",
        name=f"dfloat11-{lanes}-{rows}-{max_length}",
        coded=("words", 32, 1),
        inputs={
            "codes": "table",
            "lanes": lanes,
            "symbols": 1,
            "rows": rows,
            "max_length": max_length,
        },
        weights=weights,
        simulator=simulator,
        waves=waves,
        seed=seed,
    )


def run_fixed_regression(
    *,
    lanes: int = 2,
    symbols: int = 1,
    weights: int | None = None,
    simulator: str = "verilator",
    waves: bool = False,
    seed: int | None = None,
) -> DecoderSimulationRecord:
    """Simulate the decoder without a code table and compare it with the codec; return the record.

    ``symbols`` is the number of weights that a lane gives in a cycle, 1 or 2. The other parameters,
    the record and the errors are the same as for :func:`run_decoder_regression`.
    """
    decoder = FixedDecoder(lanes=lanes, symbols=symbols)
    weights = lanes * CHUNK if weights is None else weights
    seed = secrets.randbits(SEED_BITS) if seed is None else seed
    return _simulated(
        decoder,
        fixed_sessions(lanes, symbols, weights=weights, seed=seed),
        title=f"DFloat11 decoder without a table, {lanes} lanes of {symbols} symbols a cycle",
        name=f"dfloat11-fixed-{lanes}-{symbols}",
        coded=("codes", 8 * symbols, symbols),
        inputs={
            "codes": "fixed",
            "lanes": lanes,
            "symbols": symbols,
            "rows": None,
            "max_length": None,
        },
        weights=weights,
        simulator=simulator,
        waves=waves,
        seed=seed,
    )


class _Inputs(TypedDict):
    """The fields of a record that describe the decoder."""

    codes: str
    symbols: int
    lanes: int
    rows: int | None
    max_length: int | None


def _simulated(
    decoder: wiring.Component,
    planned: Mapping[str, Sequence[Session]],
    *,
    title: str,
    name: str,
    coded: tuple[str, int, int],
    inputs: _Inputs,
    weights: int,
    simulator: str,
    waves: bool,
    seed: int,
) -> DecoderSimulationRecord:
    """Simulate all scenarios of ``planned``; return the record.

    ``coded`` holds the last three fields of a :class:`DecoderPlan`.
    """
    start = time.monotonic()
    check_simulator(simulator)
    ports = PortMap(*port_widths(decoder))
    plans = {
        scenario: DecoderPlan(title, seed, ports, each, *coded)
        for scenario, each in planned.items()
    }
    outcome = simulate(
        "\n".join([TIMESCALE, to_verilog(decoder, _MODULE), ports.verilog(_MODULE)]),
        plans,
        name=name,
        test_module=FIXED_TEST_MODULE if inputs["codes"] == "fixed" else TEST_MODULE,
        simulator=simulator,
        waves=waves,
    )
    seconds = time.monotonic() - start
    return DecoderSimulationRecord(
        unit="dfloat11",
        **inputs,
        simulator=simulator,
        seed=seed,
        scenarios=outcome.checked,
        checks=sum(outcome.checked.values()),
        weights=weights,
        symbols_per_cycle=round(weights / outcome.reports["tensors"]["cycles"][0], 4),
        passed=True,
        waves=str(outcome.waves) if outcome.waves else None,
        versions={**versions_of("amaranth", "pyosys"), **simulator_version(simulator)},
        build_seconds=round(outcome.build_seconds, 3),
        seconds=round(seconds, 3),
    )
