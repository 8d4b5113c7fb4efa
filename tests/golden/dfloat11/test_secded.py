"""SECDED, a check byte for each eight bytes: one wrong bit is corrected, two are detected."""

from itertools import combinations

import pytest
import torch

from halfbyte.golden.dfloat11.layout import CorruptError
from halfbyte.golden.dfloat11.secded import COLUMNS, check_bytes, correct


def random_bytes(count, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, (count,), dtype=torch.uint8, generator=generator)


def flipped(data, bit):
    damaged = data.clone()
    damaged[bit // 8] ^= 1 << (bit % 8)
    return damaged


def test_columns_of_the_check_matrix_are_distinct_and_have_odd_weight():
    assert len(set(COLUMNS)) == 64
    assert {column.bit_count() for column in COLUMNS} == {3, 5}


def test_the_check_byte_of_a_single_bit_is_its_column():
    for bit in range(64):
        data = flipped(torch.zeros(8, dtype=torch.uint8), bit)
        assert check_bytes(data).tolist() == [COLUMNS[bit]]


@pytest.mark.parametrize("count", [1, 7, 8, 9, 1000])
def test_undamaged_data_is_not_changed(count):
    data = random_bytes(count)
    found, corrected = correct(data, check_bytes(data))
    assert torch.equal(found, data)
    assert corrected == 0


def test_every_single_bit_of_a_word_and_its_check_byte_is_corrected():
    data = random_bytes(24)
    checks = check_bytes(data)
    for bit in range(64):
        found, corrected = correct(flipped(data, 64 + bit), checks)
        assert torch.equal(found, data)
        assert corrected == 1
    for bit in range(8):
        found, corrected = correct(data, flipped(checks, 8 + bit))
        assert torch.equal(found, data)
        assert corrected == 1


def test_every_pair_of_wrong_bits_is_detected():
    data = torch.cat([random_bytes(8), torch.zeros(1, dtype=torch.uint8)])
    checks = check_bytes(data[:8])
    for one, other in combinations(range(72), 2):
        damaged, wrong_checks = data[:8], checks
        for bit in (one, other):
            if bit < 64:
                damaged = flipped(damaged, bit)
            else:
                wrong_checks = flipped(wrong_checks, bit - 64)
        with pytest.raises(CorruptError, match="bytes 0 to 7 have more than one wrong bit"):
            correct(damaged, wrong_checks)


def test_one_wrong_bit_in_each_of_many_words_is_corrected():
    data = random_bytes(80_000)
    damaged = data.clone()
    damaged[::8] ^= 4
    found, corrected = correct(damaged, check_bytes(data))
    assert torch.equal(found, data)
    assert corrected == 10_000


def test_a_wrong_number_of_check_bytes_is_refused():
    with pytest.raises(CorruptError, match="9 bytes need 2 check bytes, not 1"):
        correct(random_bytes(9), random_bytes(1))
