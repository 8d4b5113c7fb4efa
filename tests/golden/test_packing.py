"""Two 4-bit codes are packed into a byte, and unpacked."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from halfbyte.golden import pack, scalar, unpack


def test_the_even_index_takes_the_low_nibble() -> None:
    codes = torch.tensor([0x1, 0x2, 0x3], dtype=torch.uint8)
    assert pack(codes).tolist() == [0x21, 0x03]


@given(st.lists(st.integers(0, 15), max_size=40))
def test_packing_agrees_with_the_definition_and_is_undone(codes: list[int]) -> None:
    packed = pack(torch.tensor(codes, dtype=torch.uint8))
    assert packed.tolist() == scalar.pack(codes)
    assert unpack(packed, len(codes)).tolist() == codes
    assert scalar.unpack(scalar.pack(codes), len(codes)) == codes


@pytest.mark.parametrize("shape", [(0,), (1,), (3, 0), (2, 3, 7), (4, 8)])
def test_leading_dimensions_are_kept(shape: tuple[int, ...]) -> None:
    codes = torch.randint(0, 16, shape, dtype=torch.uint8)
    packed = pack(codes)
    assert packed.shape == (*shape[:-1], (shape[-1] + 1) // 2)
    assert torch.equal(unpack(packed, shape[-1]), codes)


def test_packing_does_not_change_its_input() -> None:
    codes = torch.tensor([1, 2, 3, 4], dtype=torch.uint8)
    pack(codes)
    assert codes.tolist() == [1, 2, 3, 4]


def test_wider_codes_are_refused() -> None:
    with pytest.raises(ValueError, match=r"at most 4 bits fit two to a byte.* below 16, not 31"):
        pack(torch.tensor([3, 31], dtype=torch.uint8))


@pytest.mark.parametrize("count", [2, 5, -1])
def test_a_count_must_match_the_number_of_bytes(count: int) -> None:
    with pytest.raises(ValueError, match=f"count must be 3 to 4, not {count}"):
        unpack(torch.zeros(2, dtype=torch.uint8), count)


def test_only_byte_tensors_are_taken() -> None:
    with pytest.raises(TypeError, match=r"Codes must be a uint8 tensor, not torch.int32"):
        pack(torch.zeros(2, dtype=torch.int32))
    with pytest.raises(TypeError, match="Packed codes must be a uint8 tensor, not list"):
        unpack([1], 2)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="at least one dimension"):
        pack(torch.tensor(3, dtype=torch.uint8))
    with pytest.raises(TypeError, match=r"count must be an integer, not 2\.0"):
        unpack(torch.zeros(1, dtype=torch.uint8), 2.0)  # type: ignore[arg-type]
