"""Canonical prefix codes with a limited length: they are optimal and complete.

A code table has a row for each symbol with a code of its own. All other symbols may share one more
code, the escape. After an escape, the symbol itself is written.
"""

import heapq
import struct
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from halfbyte.base import UserError
from halfbyte.golden.dfloat11.code_table import ESCAPE, LENGTH_LIMIT, CodeTable
from halfbyte.golden.dfloat11.package_merge import canonical_codes, code_lengths

weights = st.lists(st.integers(1, 10**6), min_size=2, max_size=60)


def huffman_cost(counts):
    """Bits of all symbols in an unlimited Huffman code, the sum of the weights of inner nodes."""
    heap, cost = list(counts), 0
    heapq.heapify(heap)
    while len(heap) > 1:
        joined = heapq.heappop(heap) + heapq.heappop(heap)
        cost += joined
        heapq.heappush(heap, joined)
    return cost


def cost(counts, lengths):
    """The bits that all symbols take, if they have these counts and code lengths."""
    return sum(count * length for count, length in zip(counts, lengths, strict=True))


class TestPackageMerge:
    @given(weights)
    def test_is_huffman_where_the_limit_does_not_bind(self, counts):
        assert cost(counts, code_lengths(counts, 60)) == huffman_cost(counts)

    @given(weights, st.integers(6, 14))
    def test_gives_a_complete_code_within_the_limit(self, counts, limit):
        lengths = code_lengths(counts, limit)
        assert 1 <= min(lengths) <= max(lengths) <= limit
        assert sum(1 << (limit - length) for length in lengths) == 1 << limit

    @given(st.lists(st.integers(1, 50), min_size=2, max_size=5), st.integers(3, 4))
    def test_is_the_best_of_all_codes_within_the_limit(self, counts, limit):
        every = product(range(1, limit + 1), repeat=len(counts))
        best = min(
            cost(counts, lengths)
            for lengths in every
            if sum(2.0**-length for length in lengths) <= 1
        )
        assert cost(counts, code_lengths(counts, limit)) == best

    def test_code_lengths_of_fibonacci_counts_are_limited(self):
        counts = [1, 1]
        while len(counts) < 20:
            counts.append(counts[-1] + counts[-2])
        assert max(code_lengths(counts, 30)) == 19
        assert max(code_lengths(counts, 8)) == 8

    def test_too_many_symbols_for_the_limit(self):
        with pytest.raises(UserError, match="8 symbols can have codes of at most 3 bits, not 9"):
            code_lengths([1] * 9, 3)


def test_canonical_codes_are_prefix_free_and_in_order():
    codes = canonical_codes([1, 3, 3, 3, 4, 4])
    words = [f"{code:0{length}b}" for code, length in zip(codes, [1, 3, 3, 3, 4, 4], strict=True)]
    assert words == ["0", "100", "101", "110", "1110", "1111"]


class TestCodeTable:
    def test_rare_symbols_share_the_escape(self):
        counts = [0] * 256
        counts[100:108] = [500, 300, 200, 100, 5, 4, 3, 2]
        table = CodeTable.from_counts(counts, max_rows=5)
        assert set(table.rows) == {100, 101, 102, 103, ESCAPE}
        values, bits = table.encoder
        row = table.rows.index(ESCAPE)
        for symbol in (104, 107, 0, 255):  # 0 and 255 do not occur, but they can be coded
            assert bits[symbol] == table.lengths[row] + 8
            assert values[symbol] == table.codes[row] << 8 | symbol

    def test_without_rare_symbols_there_is_no_escape(self):
        counts = [0] * 256
        counts[3] = counts[200] = 7
        table = CodeTable.from_counts(counts, max_rows=2)
        assert table.rows == (3, 200)
        assert table.encoder[1][4] == 0

    @given(st.lists(st.integers(0, 1000), min_size=256, max_size=256).filter(any))
    def test_is_restored_from_its_bytes(self, counts):
        table = CodeTable.from_counts(counts, max_rows=200)
        data = table.to_bytes()
        assert CodeTable.from_bytes(data + b"more") == (table, len(data))

    @given(st.lists(st.integers(0, 1000), min_size=256, max_size=256).filter(any))
    def test_the_lookup_agrees_with_the_codes(self, counts):
        table = CodeTable.from_counts(counts, max_rows=40)
        for row, code, length in zip(table.rows, table.codes, table.lengths, strict=True):
            spare = table.max_length - length
            for tail in (0, (1 << spare) - 1):
                assert table.lookup[code << spare | tail] == row + 512 * length

    @pytest.mark.parametrize(
        ("rows", "lengths", "message"),
        [
            ((1, 2, 3), (1, 1, 1), "not prefix-free"),
            ((1, 2, 3), (2, 2, 2), "not complete"),
            ((1,), (2,), "not complete"),
            ((1, 1), (1, 1), "two codes"),
            ((1, 2, 3), (2, 1, 2), "must ascend"),
            ((1, 2), (1, 13), "must be 1 to 12"),
            ((), (), "at least one row"),
            ((1, 2), (1,), "a length for every row"),
        ],
    )
    def test_rows_and_lengths_that_are_not_a_code_are_refused(self, rows, lengths, message):
        with pytest.raises(ValueError, match=message):
            CodeTable(rows, lengths)

    @pytest.mark.parametrize(
        ("head", "symbols", "message"),
        [
            ([2, 0xFFFF, 2], b"\1", "cut off"),
            ([3, 0xFFFF, 2], b"\1\2\3", "has 3 rows, but 2 lengths"),
            ([0, 0xFFFF, 0], b"", "must have 1 to 257 rows, not 0"),
            ([258, 0xFFFF, 258], bytes(258), "must have 1 to 257 rows, not 258"),
            ([2, 2, 2], b"\1\2", "a row below 2 with the symbol 0, not row 2"),
            ([2, 1, 2], b"\1\2", "a row below 2 with the symbol 0, not row 1"),
            ([2, 0xFFFF, 2], b"\1\1", "a symbol has two codes"),
        ],
    )
    def test_bytes_that_are_not_a_table_are_refused(self, head, symbols, message):
        data = struct.pack(f"<{2 + LENGTH_LIMIT}H", *head, *[0] * (LENGTH_LIMIT - 1)) + symbols
        with pytest.raises(ValueError, match=message):
            CodeTable.from_bytes(data)
