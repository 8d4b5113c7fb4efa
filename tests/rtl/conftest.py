"""Running components in Amaranth's own simulator."""

from collections.abc import Iterable

import pytest
from amaranth.sim import Simulator

from halfbyte.rtl import Mac, multiplier

Cycle = tuple[int, int, int]


@pytest.fixture
def products():
    """``products(architecture, weight, activation, pairs)``: signed products of code pairs."""

    def run(architecture, weight, activation, pairs: Iterable[tuple[int, int]]) -> list[int]:
        unit = multiplier(architecture, weight=weight, activation=activation)
        seen = []

        async def bench(ctx):
            for w, a in pairs:
                ctx.set(unit.w, w)
                ctx.set(unit.a, a)
                await ctx.delay(1e-9)
                term = ctx.get(unit.term)
                seen.append(-term if ctx.get(unit.negate) else term)

        simulator = Simulator(unit)
        simulator.add_testbench(bench)
        simulator.run()
        return seen

    return run


@pytest.fixture
def accumulate():
    """``accumulate(mac, cycles)``: ``acc`` after each cycle of (w, a, clear[, enable])."""

    def run(mac: Mac, cycles: Iterable[tuple[int, ...]]) -> list[int]:
        seen = []

        async def bench(ctx):
            for w, a, clear, *enable in cycles:
                ctx.set(mac.w, w)
                ctx.set(mac.a, a)
                ctx.set(mac.clear, clear)
                if enable:
                    ctx.set(mac.enable, enable[0])
                await ctx.tick()
                seen.append(ctx.get(mac.acc))

        simulator = Simulator(mac)
        simulator.add_clock(1e-6)
        simulator.add_testbench(bench)
        simulator.run()
        return seen

    return run
