"""A DFloat11 lane with fixed codes is proved correct. Faulty lanes are refuted.

DFloat11 compresses BF16 weights without loss. A lane decodes one stream of compressed weights. A
lane with fixed codes has no code table: it knows eight codes, whose *words* stand for exponents. A
word of more than eight bits consists of eight ones and a *rest*.
"""

import pytest
from amaranth.hdl import Module

from halfbyte.area.netlists.lowering import lower
from halfbyte.area.proofs.fixed_codes import (
    code_words,
    crc_is_right,
    prove_fixed_lane,
    rest_words,
)
from halfbyte.area.proofs.mac import ProofError
from halfbyte.golden.dfloat11 import FixedCode
from halfbyte.golden.dfloat11.code_table import ESCAPE
from halfbyte.rtl.dfloat11.crc import Crc
from halfbyte.rtl.dfloat11.fixed.prefix import Mode, Prefix

pytestmark = pytest.mark.yosys
HIGHEST = 130


@pytest.mark.parametrize("number", range(8))
def test_words_are_those_of_the_codec(number: int) -> None:
    words = {**code_words(number), **{"1" * 8 + w: n for w, n in rest_words(number).items()}}
    table = FixedCode(number, HIGHEST).table
    rows = zip(table.rows, table.codes, table.lengths, strict=True)
    codec = {f"{code:0{length}b}": row for row, code, length in rows if row != ESCAPE}
    assert {word: HIGHEST - below for word, below in words.items()} == codec


@pytest.mark.parametrize("symbols", [1, 2])
def test_a_lane_decodes_from_any_state(symbols: int) -> None:
    record = prove_fixed_lane(symbols=symbols)
    assert record.status == "proved"
    assert "all states were checked by SAT" in record.method


class MistakesOneWord(Prefix):
    """In one of the codes, reads the word of one exponent as that of another."""

    def elaborate(self, platform: object) -> Module:
        m = super().elaborate(platform)
        is_code = self.code.as_value() == 6
        with m.If(is_code & (self.mode == Mode.CODE) & (self.window[6:] == 1)):
            m.d.comb += self.below.eq(2)
        return m


@pytest.mark.parametrize(("symbols", "reader"), [(1, "reader"), (2, "pair_reader")])
def test_a_wrong_word_is_refuted(
    symbols: int, reader: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(f"halfbyte.rtl.dfloat11.fixed.{reader}.Prefix", MistakesOneWord)
    with pytest.raises(ProofError, match="from any state of decoding' is refuted"):
        prove_fixed_lane(symbols=symbols)


def test_another_crc_is_refuted(monkeypatch: pytest.MonkeyPatch) -> None:
    circuits = lower({"crc": Crc(bits=16), "short": Crc(bits=8)})
    assert crc_is_right(circuits["crc"], 16)
    assert not crc_is_right(circuits["short"], 16)
    zip_polynomial = 0xEDB88320
    monkeypatch.setattr("halfbyte.rtl.dfloat11.crc._POLYNOMIAL", zip_polynomial)
    assert not crc_is_right(lower({"zip": Crc(bits=7)})["zip"], 7)
