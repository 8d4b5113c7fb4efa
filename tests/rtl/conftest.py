"""Fixtures that run components in Amaranth's simulator, or as a graph of AND gates from Yosys."""

import re
from collections.abc import Iterable

import numpy as np
import pytest
from amaranth.hdl import Cat
from amaranth.sim import Simulator

from halfbyte.base import run_yosys
from halfbyte.rtl import Mac, multiplier, to_rtlil


@pytest.fixture
def products():
    """``products(architecture, weight, activation, pairs)`` returns the products of code pairs."""

    def run(architecture, weight, activation, pairs: Iterable[tuple[int, int]]) -> list[int]:
        unit = multiplier(architecture, weight=weight, activation=activation)
        codes = Cat(unit.w, unit.a)  # one signal, so that a pair is set in one step
        seen = []

        async def bench(ctx):
            for w, a in pairs:
                ctx.set(codes, w | a << weight.bits)
                term = ctx.get(unit.term)
                seen.append(-term if ctx.get(unit.negate) else term)

        simulator = Simulator(unit)
        simulator.add_testbench(bench)
        simulator.run()
        return seen

    return run


@pytest.fixture
def accumulate():
    """``accumulate(mac, cycles)`` returns ``acc`` after each cycle of (w, a, clear[, enable])."""

    def run(mac: Mac, cycles: Iterable[tuple[int, ...]]) -> list[int]:
        inputs = Cat(mac.w, mac.a, mac.clear, *([mac.enable] if mac.spec.enable else []))
        bits = len(mac.w), len(mac.a)
        seen = []

        async def bench(ctx):
            for w, a, clear, *enable in cycles:
                word = w | (a | (clear | sum(enable) << 1) << bits[1]) << bits[0]
                ctx.set(inputs, word)
                await ctx.tick()
                seen.append(ctx.get(mac.acc))

        simulator = Simulator(mac)
        simulator.add_clock(1e-6)
        simulator.add_testbench(bench)
        simulator.run()
        return seen

    return run


YOSYS_TO_AIGER = """\
read_rtlil design.il
hierarchy -check -top unit
setattr -unset init w:*
proc -norom
flatten
opt -full
techmap
dffunmap
opt_clean
aigmap
opt_clean
write_aiger -ascii -symbols design.aag
"""


class AndGraph:
    """A circuit of AND gates and inverters in ASCII AIGER, evaluated for many inputs at once.

    ASCII AIGER is a text format for such circuits. A register is both an input (its present value)
    and an output (its next value) of the same name.
    """

    def __init__(self, text: str) -> None:
        lines = text.splitlines()
        _, inputs, latches, outputs, gates = map(int, lines[0].split()[1:])
        rows = [tuple(map(int, line.split())) for line in lines[1 : 1 + inputs + latches]]
        self.gates = [
            tuple(map(int, line.split()))
            for line in lines[1 + inputs + latches + outputs :][:gates]
        ]
        names = re.findall(r"^([il])(\d+) (\w+)(?:\[(\d+)\])?", text, re.MULTILINE)
        names += re.findall(r"^(o)(\d+) (\w+)(?:\[(\d+)\])?", text, re.MULTILINE)
        start = {"i": 0, "l": inputs, "o": inputs + latches}
        literals = [*rows, *((int(line),) for line in lines[1 + inputs + latches :][:outputs])]
        self.sources, self.sinks = {}, {}
        for kind, index, name, bit in names:
            row = literals[start[kind] + int(index)]
            if kind != "o":
                self.sources[name, int(bit or 0)] = row[0]
            if kind != "i":
                # If a register is also an output, the output comes later in ``names``. It must not
                # replace the register's next state.
                self.sinks.setdefault((name, int(bit or 0)), row[1] if kind == "l" else row[0])

    def __call__(self, **inputs: np.ndarray) -> dict[str, np.ndarray]:
        """Unsigned outputs, each (N,) int64, for N values of the inputs; inputs not given are 0."""
        count = len(next(iter(inputs.values())))
        planes = {0: np.zeros(-(-count // 8), np.uint8)}
        for (name, bit), literal in self.sources.items():
            planes[literal] = np.packbits(inputs[name] >> bit & 1) if name in inputs else planes[0]

        def plane(literal: int) -> np.ndarray:
            return planes[literal] if literal % 2 == 0 else ~planes[literal - 1]

        for output, left, right in self.gates:
            planes[output] = plane(left) & plane(right)
        results: dict[str, np.ndarray] = {}
        for (name, bit), literal in self.sinks.items():
            word = np.unpackbits(plane(literal), count=count).astype(np.int64) << bit
            results[name] = results.get(name, 0) + word
        return results


@pytest.fixture
def and_graph(tmp_path):
    """``and_graph(component)`` turns a component into an :class:`AndGraph`."""

    def build(component) -> AndGraph:
        (tmp_path / "design.il").write_text(to_rtlil(component, "unit"))
        run_yosys(YOSYS_TO_AIGER, tmp_path, "AIGER")
        return AndGraph((tmp_path / "design.aag").read_text())

    return build
