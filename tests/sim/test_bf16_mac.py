"""The BF16 MAC agrees with its golden model, and the bench catches one that does not."""

import pytest
from amaranth.hdl import Module

from halfbyte.rtl.bf16 import mac
from halfbyte.rtl.bf16.accumulate import Accumulate
from halfbyte.sim import SimulationError
from halfbyte.sim.bf16.plan import SCENARIOS
from halfbyte.sim.bf16.regression import run_bf16_regression

pytestmark = pytest.mark.simulator

CYCLES = 4000


@pytest.mark.slow
def test_agrees_with_the_golden_model() -> None:
    record = run_bf16_regression(cycles=CYCLES, seed=3)
    assert record["passed"]
    assert record["scenarios"] == dict.fromkeys(SCENARIOS, CYCLES)


@pytest.mark.slow
def test_catches_a_tie_that_is_not_rounded_to_even(monkeypatch: pytest.MonkeyPatch) -> None:
    class Faulty(Accumulate):
        def elaborate(self, platform: object) -> Module:
            m = super().elaborate(platform)
            # 1 + 2^-24 is a tie between 1 and 1 + 2^-23.
            one, half = 0x3F80_0000, 0x8000
            with m.If((self.augend == one) & (self.significand == half)):
                m.d.comb += self.total[0].eq(1)
            return m

    monkeypatch.setattr(mac, "Accumulate", Faulty)
    with pytest.raises(SimulationError, match="acc before 3f800000: expected"):
        run_bf16_regression(cycles=CYCLES, seed=3)
