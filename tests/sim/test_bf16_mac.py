"""The BF16 MAC agrees with its golden model, and the bench catches a faulty MAC."""

import math
import struct

import pytest
from amaranth.hdl import Module
from amaranth.lib.wiring import In

from halfbyte.rtl.bf16 import mac
from halfbyte.rtl.bf16.accumulate import Accumulate
from halfbyte.sim import SimulationError
from halfbyte.sim.bf16.plan import SCENARIOS
from halfbyte.sim.bf16.regression import run_bf16_regression
from halfbyte.sim.bf16.scenarios import rows_of

CYCLES = 4000


def _value(bits: int) -> float:
    return struct.unpack(">f", bits.to_bytes(4, "big"))[0]


@pytest.mark.simulator
@pytest.mark.slow
def test_agrees_with_the_golden_model() -> None:
    record = run_bf16_regression(cycles=CYCLES, seed=3)
    assert record.passed
    assert record.scenarios == dict.fromkeys(SCENARIOS, CYCLES)


@pytest.mark.simulator
@pytest.mark.slow
def test_catches_a_subnormal_sum_that_is_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    class Faulty(Accumulate):
        def elaborate(self, platform: object) -> Module:
            m = Module()
            m.submodules.inner = inner = Accumulate()
            for name, member in self.signature.members.items():
                mine, its = getattr(self, name), getattr(inner, name)
                m.d.comb += its.eq(mine) if member.flow == In else mine.eq(its)
            with m.If(~inner.total[23:31].any()):
                m.d.comb += self.total[:23].eq(0)
            return m

    monkeypatch.setattr(mac, "Accumulate", Faulty)
    with pytest.raises(SimulationError, match=r"expected .00[0-7].*seen .0000000"):
        run_bf16_regression(cycles=CYCLES, seed=3)


def test_ties_are_among_the_scenarios() -> None:
    """Some sums lie half-way between two FP32 numbers. The lower one is not always even."""
    lower_neighbours = set()
    acc = 0
    for w, a, clear, after in rows_of("ties", CYCLES, seed=3).tolist():
        before = 0 if clear else acc
        acc = after
        # FP64 holds a tie exactly, since a tie has only one bit more than an FP32 number.
        exact = _value(w << 16) * _value(a << 16) + _value(before)
        if not math.isfinite(exact) or abs(exact) < 2.0**-120:
            continue
        bits = struct.unpack("<Q", struct.pack("<d", exact))[0]
        if bits & ((1 << 29) - 1) == 1 << 28:  # the 29 bits that FP64 has and FP32 lacks
            lower_neighbours.add(bits >> 29 & 1)
    assert lower_neighbours == {0, 1}
