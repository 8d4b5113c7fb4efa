"""The DFloat11 decoder is proved never to hang. The proof fails for a decoder that can hang.

DFloat11 compresses BF16 weights without loss. A lane decodes one stream of compressed weights. Its
*verdict* says whether the stream was correct.
"""

import pytest
from amaranth.hdl import Module

from halfbyte.area.proofs.progress import ProgressError, prove_progress
from halfbyte.rtl.dfloat11 import MAX_LENGTH, ROWS, Decoder, Lane, Verdict

pytestmark = [pytest.mark.yosys, pytest.mark.slow]

SHAPE = {"rows": ROWS, "max_length": MAX_LENGTH}


class HangsAfterNoCode(Lane):
    """Gives no verdict if the bits were not a code."""

    def elaborate(self, platform: object) -> Module:
        m = super().elaborate(platform)
        with m.If(self.verdict.payload == Verdict.NOT_A_CODE):
            m.d.comb += self.verdict.valid.eq(0)
        return m


class HangsOnOneByte(Lane):
    """Never accepts a raw byte (sign and mantissa of a weight) of the value 0xA5."""

    def elaborate(self, platform: object) -> Module:
        m = super().elaborate(platform)
        with m.If(self.raw.payload.data == 0xA5):
            m.d.comb += self.raw.ready.eq(0)
        return m


@pytest.mark.parametrize("unit", [Lane(**SHAPE), Decoder(lanes=1)], ids=["lane", "decoder"])
def test_progress_is_proved(unit: Lane | Decoder) -> None:
    record = prove_progress(unit)
    assert record.status == "proved"


@pytest.mark.parametrize("faulty", [HangsAfterNoCode, HangsOnOneByte])
def test_a_lane_that_hangs_is_refuted(faulty: type[Lane]) -> None:
    with pytest.raises(ProgressError, match="can be idle for more than 7 cycles"):
        prove_progress(faulty(**SHAPE))


def test_the_bound_is_tight() -> None:
    with pytest.raises(ProgressError, match="more than 6 cycles"):
        prove_progress(Lane(**SHAPE), max_idle=6)
