"""The DFloat11 decoder's symbol reader, and the loader of its code table, are proved correct.

DFloat11 compresses BF16 weights without loss. The codes of a table are *canonical* if each code
follows from the code before it and from its own length.
"""

import pytest

from halfbyte.area.proofs.mac import ProofError
from halfbyte.area.proofs.table_code import prove_symbol_reader
from halfbyte.area.proofs.table_loader import prove_loader
from halfbyte.rtl.dfloat11.matcher import Matcher

pytestmark = pytest.mark.yosys
SMALL = {"rows": 4, "longest": 8}


def test_every_code_of_four_rows_is_decoded():
    record = prove_symbol_reader(**SMALL)
    assert record.status == "proved"
    assert "all codes of up to 4 rows and 8 bits" in record.method


class MistakesOneLength(Matcher):
    """Reads the last bit of a three-bit code as 1."""

    def _bits(self, length):
        return super()._bits(length) | (length == 3)


def test_a_wrong_length_is_refuted(monkeypatch):
    monkeypatch.setattr("halfbyte.rtl.dfloat11.symbol_reader.Matcher", MistakesOneLength)
    with pytest.raises(ProofError, match="'the symbol reader decodes every canonical code"):
        prove_symbol_reader(**SMALL)


def test_loaded_tables_are_canonical():
    record = prove_loader(**SMALL)
    assert (record.status, "induction" in record.method) == ("proved", True)


def test_a_loader_that_stops_early_is_refuted(monkeypatch):
    """The faulty loader expects only seven code lengths, though codes may have eight bits."""
    monkeypatch.setattr("halfbyte.rtl.dfloat11.loader.LENGTH_LIMIT", 7)
    with pytest.raises(ProofError, match=r"'a loaded table is .*, by induction' is refuted"):
        prove_loader(**SMALL)
