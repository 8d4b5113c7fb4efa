"""The DFloat11 decoder with fixed codes agrees with the codec. The bench catches a faulty decoder.

DFloat11 compresses BF16 weights without loss, in chunks of 16384. A decoder with fixed codes has no
code table. A lane decodes one stream of chunks. A *packet* is a chunk for one lane, with the
expected output.
"""

from collections.abc import Callable

import pytest
from amaranth.hdl import Module
from amaranth.lib.wiring import In

from halfbyte.base import UserError
from halfbyte.rtl.dfloat11 import Verdict
from halfbyte.rtl.dfloat11.fixed import FixedLane, decoder
from halfbyte.sim import SimulationError
from halfbyte.sim.dfloat11.fixed_scenarios import fixed_sessions
from halfbyte.sim.dfloat11.plan import FIXED_SCENARIOS
from halfbyte.sim.dfloat11.reference import GOOD, WRONG_CRC, WRONG_LENGTH
from halfbyte.sim.dfloat11.regression import run_fixed_regression

# More weights than one chunk holds, so that both lanes get a chunk.
WEIGHTS = 17_000


@pytest.mark.simulator
@pytest.mark.slow
@pytest.mark.parametrize("symbols", [1, 2])
def test_agrees_with_the_codec(symbols: int) -> None:
    record = run_fixed_regression(lanes=2, symbols=symbols, weights=WEIGHTS, seed=4)
    assert record.passed
    assert set(record.scenarios) == set(FIXED_SCENARIOS)
    # One lane has a full chunk, which takes most of the time. The other lane has a short chunk.
    assert 0.97 * symbols < record.symbols_per_cycle * 16_384 / WEIGHTS <= symbols


def _hides_wrong_crc(m: Module, outer: FixedLane, inner: FixedLane) -> None:
    with m.If(inner.verdict.payload == Verdict.WRONG_CRC):
        m.d.comb += outer.verdict.payload.eq(Verdict.GOOD)


def _mistakes_a_rare_exponent(m: Module, outer: FixedLane, inner: FixedLane) -> None:
    with m.If(inner.weights.payload[7:15] == 0):
        m.d.comb += outer.weights.payload[7:15].eq(255)


@pytest.mark.simulator
@pytest.mark.slow
@pytest.mark.parametrize(
    ("fault", "message"),
    [
        (_hides_wrong_crc, r"expected wrong CRC after .* seen good"),
        (_mistakes_a_rare_exponent, r"exponent 0, .*exponent 255"),
    ],
    ids=["wrong CRC hidden", "exponent 0"],
)
def test_catches_faults(
    fault: Callable[[Module, FixedLane, FixedLane], None],
    message: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Faulty(FixedLane):
        def elaborate(self, platform: object) -> Module:
            m = Module()
            m.submodules.inner = inner = FixedLane(symbols=self.symbols)
            for (_, member, mine), (_, _, its) in zip(
                self.signature.flatten(self), inner.signature.flatten(inner), strict=True
            ):
                m.d.comb += its.eq(mine) if member.flow == In else mine.eq(its)
            fault(m, self, inner)
            return m

    monkeypatch.setattr(decoder, "FixedLane", Faulty)
    with pytest.raises(SimulationError, match=message):
        run_fixed_regression(lanes=1, weights=100, seed=4)


def test_refuses_impossible_parameters() -> None:
    with pytest.raises(UserError, match="1 or 2 symbols a cycle, not 4"):
        run_fixed_regression(symbols=4)
    with pytest.raises(UserError, match="1 to 64 lanes, not 65"):
        run_fixed_regression(lanes=65)


def test_every_flipped_bit_is_flagged_except_in_padding() -> None:
    (session,) = fixed_sessions(1, weights=10, seed=1)["flips"]
    damaged = [packet for packet in session.lanes[0] if packet.what != "sound chunk"]
    sound = session.lanes[0][-1]
    assert len(damaged) == 8 * (len(sound.words) + len(sound.raw))
    unnoticed = [packet for packet in damaged if packet.verdict == GOOD]
    assert all(packet.weights == sound.weights for packet in unnoticed)
    assert len(unnoticed) < 8
    assert {packet.verdict for packet in damaged} == {GOOD, WRONG_CRC, WRONG_LENGTH}
