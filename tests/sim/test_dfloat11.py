"""The DFloat11 decoder agrees with the codec, and the bench catches a faulty decoder.

DFloat11 compresses BF16 weights without loss, in chunks of 16384. A lane of the decoder decodes one
stream of chunks. The lane's verdict says whether a chunk was intact. A *packet* is a chunk for
one lane, with the expected output.
"""

from collections.abc import Callable

import pytest
from amaranth.hdl import Module
from amaranth.lib.wiring import In

from halfbyte.base import UserError
from halfbyte.golden.dfloat11.kernels import WRONG_CRC as CODEC_WRONG_CRC
from halfbyte.rtl.dfloat11 import Lane, Verdict, decoder
from halfbyte.sim import SimulationError
from halfbyte.sim.dfloat11 import reference
from halfbyte.sim.dfloat11.plan import SCENARIOS
from halfbyte.sim.dfloat11.regression import run_decoder_regression
from halfbyte.sim.dfloat11.scenarios import Shape, sessions

SHAPE = Shape(lanes=2, rows=16, max_length=10)
# More weights than one chunk holds, so that both lanes get a chunk.
WEIGHTS = 17_000


@pytest.mark.simulator
@pytest.mark.slow
def test_agrees_with_the_codec() -> None:
    record = run_decoder_regression(lanes=2, weights=WEIGHTS, seed=4)
    assert record.passed
    assert set(record.scenarios) == set(SCENARIOS)
    assert record.scenarios["tensors"] > WEIGHTS
    # One lane has a full chunk, which takes most of the time. The other lane has a short chunk.
    assert 0.9 < record.symbols_per_cycle * 16_384 / WEIGHTS <= 1


def _hides_wrong_crc(m: Module, outer: Lane, inner: Lane) -> None:
    with m.If(inner.verdict.payload == Verdict.WRONG_CRC):
        m.d.comb += outer.verdict.payload.eq(Verdict.GOOD)


def _hangs_after_no_code(m: Module, outer: Lane, inner: Lane) -> None:
    with m.If(inner.verdict.payload == Verdict.NOT_A_CODE):
        m.d.comb += [outer.verdict.valid.eq(0), inner.verdict.ready.eq(0)]


def _loses_a_sign(m: Module, outer: Lane, inner: Lane) -> None:
    with m.If(inner.weights.payload == 0xFFFF):  # a NaN
        m.d.comb += outer.weights.payload.eq(0x7FFF)


@pytest.mark.simulator
@pytest.mark.slow
@pytest.mark.parametrize(
    ("fault", "message"),
    [
        (_hides_wrong_crc, r"expected wrong CRC after .* seen good"),
        (_hangs_after_no_code, "nothing has moved for"),
        (_loses_a_sign, r"expected ffff \(sign 1.*seen 7fff"),
    ],
    ids=["wrong CRC hidden", "hang", "sign lost"],
)
def test_catches_faults(
    fault: Callable[[Module, Lane, Lane], None], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Faulty(Lane):
        def elaborate(self, platform: object) -> Module:
            m = Module()
            m.submodules.inner = inner = Lane(rows=self.rows, max_length=self.max_length)
            for (_, member, mine), (_, _, its) in zip(
                self.signature.flatten(self), inner.signature.flatten(inner), strict=True
            ):
                m.d.comb += its.eq(mine) if member.flow == In else mine.eq(its)
            fault(m, self, inner)
            return m

    monkeypatch.setattr(decoder, "Lane", Faulty)
    with pytest.raises(SimulationError, match=message):
        run_decoder_regression(lanes=1, weights=100, seed=4)


def test_refuses_impossible_parameters() -> None:
    with pytest.raises(UserError, match="1 to 64 lanes, not 0"):
        run_decoder_regression(lanes=0)
    with pytest.raises(UserError, match="8 to 12 bits, not 7"):
        run_decoder_regression(max_length=7)


def test_every_bit_of_a_chunk_is_flipped_and_flagged() -> None:
    flips = sessions(SHAPE, weights=10, seed=1)["flips"]
    damaged = [
        packet
        for session in flips
        for lane in session.lanes
        for packet in lane
        if packet.what != "sound chunk"
    ]
    # There are two chunks, one of five weights and one of two weights. Each has 18 words before its
    # codes, one word of codes, and a raw byte for each weight.
    assert len(damaged) == 2 * 19 * 32 + 8 * (5 + 2)
    verdicts = {packet.verdict for packet in damaged}
    assert verdicts == {reference.WRONG_CRC, reference.NOT_A_CODE, reference.WRONG_LENGTH}


def test_scenarios_are_reproducible_and_differ_by_seed() -> None:
    one, same, other = (sessions(SHAPE, weights=50, seed=seed)["tensors"] for seed in (1, 1, 2))
    assert one == same != other


def test_reference_crc_is_the_standard_one() -> None:
    assert reference.crc32c(b"123456789") == 0xE306_9283  # the usual check value
    assert CODEC_WRONG_CRC == reference.WRONG_CRC == Verdict.WRONG_CRC.value
