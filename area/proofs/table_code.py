"""The proof that the DFloat11 decoder's symbol reader decodes any canonical code.

The specification is the rule by which DFloat11 assigns codes. A code table has one row for each
symbol that has a code. Rows are sorted by code length. The first code is all zeros. Each later code
is its predecessor plus 1, shifted left to its own length. Codes that follow this rule are
*canonical*. They are *complete* if every stream of bits begins with one of them. One row may be the
*escape* instead: the eight bits after its code are a symbol, which is called *escaped*.

The reader looks at the bits at some place in the stream, and finds the row whose code they begin
with. It gives the row's symbol and the place after the code. The proof covers all complete
canonical codes that fit in the table, every place in the stream and all bits. A table with a single
row, whose code is 0, is not complete, but is covered too. :mod:`.table_loader` shows that no other
tables are loaded.
"""

import time
from collections.abc import Sequence

from amaranth.lib import wiring

from halfbyte.area.netlists.aig import FALSE, Aig
from halfbyte.area.netlists.circuit import Circuit
from halfbyte.area.netlists.lowering import lower
from halfbyte.area.proofs.equivalence import compare
from halfbyte.area.proofs.results import UnitProof, unit_proof
from halfbyte.area.proofs.words import Words
from halfbyte.rtl.dfloat11.framing import WORD, table_layout
from halfbyte.rtl.dfloat11.symbol_reader import SymbolReader

__all__ = ["Table", "is_canonical", "prove_symbol_reader"]

CLAIM = "the symbol reader decodes every canonical code, for all bits"


class Table:
    """A code table as the decoder's lanes use it, read as a canonical code.

    For each length, the table has the *room*: the number of bit strings of this length that begin
    longer codes. Each of these strings continues with 0 or 1. So the number of codes of a length is
    twice the room of the length before, minus the room of the length itself.

    Parameters
    ----------
    aig : Aig
        And-inverter graph; a literal is one of its nodes, or the inverse of a node.
    bits : sequence of int
        The bits of the table, as literals of ``aig``, laid out as ``table_layout(rows, longest)``.
    rows, longest : int
        The most rows, and the most bits of a code, that the table can hold.
    """

    def __init__(self, aig: Aig, bits: Sequence[int], rows: int, longest: int) -> None:
        self._words = words = Words(aig)
        self._layout = table_layout(rows, longest)
        self._bits = bits
        self._rows = rows
        # Wide enough that the sums and differences below do not overflow, in two's complement.
        self.width = width = max((2 * rows).bit_length(), longest) + 2
        self._rooms = [words.constant(1, width)]
        self._row = [words.constant(0, width)]
        self.counts: list[list[int]] = []
        for length in range(1, longest + 1):
            left = words.extended(self._element("room", length - 1), width)
            self.counts.append(words.difference([FALSE, *self._rooms[-1][:-1]], left))
            self._rooms.append(left)
            self._row.append(words.sum(self._row[-1], self.counts[-1]))

    def _element(self, name: str, index: int) -> list[int]:
        """The bits of one element of the table's array ``name``."""
        field = self._layout[name]
        width = field.width // field.shape.length
        return list(self._bits[field.offset + index * width :][:width])

    def _field(self, name: str) -> list[int]:
        """The bits of the table's field ``name``."""
        field = self._layout[name]
        return list(self._bits[field.offset :][: field.width])

    @property
    def lone(self) -> int:
        """Whether there is only one row, with code 0.

        Code 1 is then counted as if it were used, but the reader refuses it.
        """
        return self._field("lone")[0]

    @property
    def has_escape(self) -> int:
        """Whether a row is the escape."""
        return self._field("has_escape")[0]

    @property
    def escape(self) -> list[int]:
        """The escape's row."""
        return self._field("escape")

    def symbol(self, row: int) -> list[int]:
        """The symbol of a row."""
        return self._element("symbols", row)

    def room(self, length: int) -> list[int]:
        """The number of strings of ``length`` bits that begin longer codes; 1 for length 0."""
        return self._rooms[length]

    def row(self, length: int) -> list[int]:
        """The number of rows whose codes have at most ``length`` bits."""
        return self._row[length]

    def first_codes(self) -> list[list[int]]:
        """The first code of each length.

        For length 1 it is 0. For any other length, take the first code of the length before, add
        the number of codes of the length before, and double the sum.
        """
        code, found = self._words.constant(0, self.width), []
        for count in self.counts:
            code = [FALSE, *code[:-1]]
            found.append(code)
            code = self._words.sum(code, count)
        return found

    def fits(self, longest: int) -> list[int]:
        """Conditions that the codes of up to ``longest`` bits are a prefix code and fit the table.

        For a code of length n, the table's ``base`` of this length must also be the row of the
        code, minus the code, plus ``2**n``.
        """
        words, found = self._words, []
        for n in range(1, longest + 1):
            base = words.sum(self.row(n), self.room(n))
            here = self._element("base", n - 1)
            found += [
                words.is_less(self.counts[n - 1], words.constant(0, self.width)) ^ 1,
                words.is_less(words.constant(self._rows // 2, self.width), self.room(n)) ^ 1,
                words.is_less(words.constant(self._rows, self.width), self.row(n)) ^ 1,
                words.all(
                    [words.aig.exclusive(*each) ^ 1 for each in zip(base, here, strict=False)]
                ),
            ]
        return found


def is_canonical(aig: Aig, bits: Sequence[int], rows: int, longest: int) -> int:
    """Whether a table is a complete canonical code; a lone row counts as two codes of one bit."""
    table, words = Table(aig, bits, rows, longest), Words(aig)
    is_alone = words.is_equal(table.counts[0], 2)
    return words.all(
        [
            *table.fits(longest),
            words.any(table.room(longest)) ^ 1,
            aig.disjunction(table.lone ^ 1, is_alone),
        ]
    )


class _Specification:
    """Any inputs of the reader (table, place and bits), and the results that it must give."""

    def __init__(self, circuit: Circuit, rows: int, longest: int) -> None:
        self.aig = aig = Aig()
        self.words = Words(aig)
        self.longest, self.rows = longest, rows
        self.inputs = {name: aig.word(len(nets)) for name, nets in circuit.inputs.items()}
        self.inputs["position"][-1] = FALSE  # a place in a word, 0 to 31
        self.table = Table(aig, self.inputs["table"], rows, longest)
        self.is_valid = is_canonical(aig, self.inputs["table"], rows, longest)
        self.known = circuit.known(self.inputs)

    def found(self, bits: Sequence[int]) -> tuple[list[int], list[list[int]]]:
        """For each length, whether the bits begin with a code of this length, and the code's row.

        ``bits`` has the first bit of the stream first.
        """
        words, table, here, rows = self.words, self.table, [], []
        for length, first in enumerate(table.first_codes(), 1):
            number = words.extended(bits[:length][::-1], table.width)
            place = words.difference(number, first)  # among the codes of this length
            is_here = [
                words.is_less(number, first) ^ 1,
                words.is_less(place, table.counts[length - 1]),
            ]
            here.append(words.all(is_here))
            rows.append(words.sum(table.row(length - 1), place))
        return here, rows

    def window(self) -> list[int]:
        """The bits from the place in the stream on, the first one first."""
        words, count = self.words, max(self.longest, 8)
        text = [*self.inputs["word"][::-1], *self.inputs["following"][::-1]]
        position = self.inputs["position"][:5]
        return words.merged(
            [
                words.masked(text[place : place + count], words.is_equal(position, place))
                for place in range(WORD)
            ]
        )

    def results(self) -> dict[str, list[int]]:
        """The outputs that the reader must give for any table, place and bits.

        Also sets ``decided``, the condition that the bits begin with exactly one code.
        """
        aig, words = self.aig, self.words
        (escaped,) = self.inputs["escaped"]
        bits = self.window()
        here, rows = self.found(bits)
        row = words.merged([words.masked(each, one) for each, one in zip(rows, here, strict=True)])
        symbol = words.merged(
            [
                words.masked(self.table.symbol(number), words.is_equal(row, number))
                for number in range(self.rows)
            ]
        )
        length = words.merged(
            [words.masked(words.constant(n, 6), one) for n, one in enumerate(here, 1)]
        )
        length = words.chosen(escaped, words.constant(8, 6), length)
        end = words.sum(words.extended(self.inputs["position"][:5], 6), length)
        is_escape = words.all(
            [
                aig.exclusive(one, other) ^ 1
                for one, other in zip(row, self.table.escape, strict=False)
            ]
        )
        self.decided = words.all([words.any(here), *self._no_two(here)])
        return {
            "end": end[:5],
            "crosses": [end[5]],
            "overruns": [aig.conjunction(end[5], words.any(end[:5]))],
            "is_known": [words.all([self.table.lone, bits[0], escaped ^ 1]) ^ 1],
            "is_escape": [words.all([is_escape, self.table.has_escape, escaped ^ 1])],
            "symbol": words.chosen(escaped, bits[:8][::-1], symbol),
        }

    def _no_two(self, here: Sequence[int]) -> list[int]:
        """For each pair of lengths, the condition that the bits do not begin with codes of both."""
        return [
            self.aig.conjunction(one, other) ^ 1
            for place, one in enumerate(here)
            for other in here[:place]
        ]


def _pairs(circuit: Circuit, rows: int, longest: int) -> tuple[Aig, list[tuple[int, int]]]:
    """Pairs of literals that must be equal.

    The first literal of each pair is constant 0. The second is 1 if the table is valid, but the
    reader is wrong or the bits do not begin with exactly one code.
    """
    spec = _Specification(circuit, rows, longest)
    aig, valid = spec.aig, spec.is_valid
    wanted = spec.results()
    literals = circuit.evaluate(aig, spec.known)
    pairs = [(FALSE, aig.conjunction(valid, spec.decided ^ 1))]
    for name, word in wanted.items():
        seen = circuit.word(literals, circuit.outputs[name])
        for one, other in zip(word, seen, strict=True):
            pairs.append((FALSE, aig.conjunction(valid, aig.exclusive(one, other))))
    return aig, pairs


def prove_symbol_reader(
    component: wiring.Component | None = None, *, rows: int = 16, longest: int = 10
) -> UnitProof:
    """Prove that the reader is correct for all tables of up to ``rows`` rows.

    The codes in the tables have up to ``longest`` bits. ``component`` is the reader; by default
    ``rtl.dfloat11.symbol_reader.SymbolReader``. Raises ProofError if the claim is refuted.
    """
    start = time.monotonic()
    reader = component or SymbolReader(rows=rows, max_length=longest)
    circuit = lower({"reader": reader}, fused=True)["reader"]
    aig, pairs = _pairs(circuit, rows, longest)
    verdict = compare(aig, (), pairs)
    method = (
        f"all codes of up to {rows} rows and {longest} bits were checked by SAT, in "
        f"{verdict.queries} queries"
    )
    return unit_proof(CLAIM, verdict.equal, method, start)
