"""The eight fixed codes for exponents of BF16 weights, which hardware decodes without a table.

A packet is the input of the hardware decoder: codes, and the other bits of the weights.
"""

import numpy as np
import pytest
import torch

from halfbyte.base import UserError
from halfbyte.golden.dfloat11 import (
    CODES,
    FixedCode,
    compress,
    decompress,
    fixed_packets,
    measure,
    measure_with,
    read_header,
)
from halfbyte.golden.dfloat11.code_table import ESCAPE, CodeTable
from halfbyte.sim.dfloat11.fixed_reference import decode_fixed, fixed_code
from halfbyte.sim.dfloat11.packets import code_of
from halfbyte.sim.dfloat11.reference import GOOD


def normal(count: int, scale: float = 0.02) -> torch.Tensor:
    generator = torch.Generator().manual_seed(1)
    return (torch.randn(count, generator=generator) * scale).bfloat16()


def compressed(tensor: torch.Tensor) -> torch.Tensor:
    """The tensor compressed with the best fixed code."""
    return compress(tensor, measure(tensor, codes="fixed"))


@pytest.mark.parametrize("number", range(8))
@pytest.mark.parametrize("highest", [0, 3, 128, 255])
def test_agrees_with_an_independent_definition(number: int, highest: int) -> None:
    code = FixedCode(number, highest)
    assert code_of(code.table) == fixed_code(number, highest)
    assert FixedCode.of(code.table) == code


def test_codes_are_exactly_these() -> None:
    assert code_of(FixedCode(1, 120).table) == {
        "00": 118, "01": 117, "10": 119, "110": 116, "1110": 115, "11110": 120, "111110": 114,
        "1111110": 113, "11111110": 112, "1111111100": 111, "1111111101": 110, "1111111110": 121,
        "11111111110": 109, "111111111110": 108, "111111111111": ESCAPE,
    }  # fmt: skip
    assert code_of(FixedCode(7, 120).table) == {
        "00": 118, "01": 117, "100": 119, "101": 116, "110": 115, "1110": 114, "11110": 113,
        "111110": 112, "1111110": 120, "11111110": 111, "1111111100": 110, "1111111101": 109,
        "1111111110": 121, "11111111110": 108, "111111111110": 107, "111111111111": ESCAPE,
    }  # fmt: skip


@pytest.mark.parametrize("scale", [0.01, 0.013, 0.017, 1.0])
def test_a_fixed_code_takes_little_more_space_than_a_table(scale: float) -> None:
    tensor = normal(200_000, scale)
    best, fixed = (8 * measure(tensor, codes=codes).size / len(tensor) for codes in CODES)
    assert 0 <= fixed - best < 0.02


def test_the_best_code_is_chosen() -> None:
    counts = measure(normal(50_000)).counts.tolist()
    best = FixedCode.best(counts)
    others = [FixedCode(number, highest) for number in range(8) for highest in range(256)]
    assert best.bits(counts) == min(code.bits(counts) for code in others)
    assert best.bits(counts) == int((np.array(counts) * best.table.encoder[1]).sum())


@pytest.mark.parametrize(
    "tensor",
    [
        normal(40_000),
        torch.arange(-(2**15), 2**15, dtype=torch.int16).view(torch.bfloat16),
        torch.zeros(5).bfloat16(),
        torch.full((1,), float("nan")).bfloat16(),
    ],
    ids=["normal", "all words", "zeros", "one NaN"],
)
def test_every_bit_is_restored(tensor: torch.Tensor) -> None:
    data = compressed(tensor)
    assert FixedCode.of(read_header(data.numpy()).table) is not None
    assert torch.equal(decompress(data).view(torch.int16), tensor.view(torch.int16))
    words = tensor[:20_000].view(torch.uint16).tolist()
    for symbols in (1, 2):
        seen = []
        for codes, raw in fixed_packets(compressed(tensor[:20_000]), symbols=symbols):
            weights, verdict = decode_fixed(list(codes), list(raw), symbols)
            assert verdict == GOOD
            seen += weights
        assert seen[: len(words)] == words
        assert len(seen) - len(words) == len(words) % symbols


def test_types_other_than_bf16_are_coded_with_a_table() -> None:
    tensor = normal(1000).half()
    assert measure(tensor, codes="fixed").header == measure(tensor).header


def test_errors_name_what_is_wanted() -> None:
    with pytest.raises(ValueError, match="must be best or fixed, not 'odd'"):
        measure(normal(10), codes="odd")
    with pytest.raises(UserError, match="needs BF16 weights in a fixed code, not BF16 in another"):
        next(fixed_packets(compress(normal(10_000))))
    assert FixedCode.of(CodeTable((120, 121, ESCAPE), (1, 2, 2))) is None
    assert FixedCode.of(CodeTable((ESCAPE,), (1,))) is None
    with pytest.raises(ValueError, match="highest"):
        FixedCode(0, 256)


def test_a_part_of_a_tensor_can_use_the_code_of_the_whole() -> None:
    whole = normal(5000)
    table = measure(whole).header.table
    part = compress(whole[:300], measure_with(whole[:300], table))
    assert torch.equal(decompress(part), whole[:300])
    assert read_header(part.numpy()).table == table
    with pytest.raises(ValueError, match="no code for symbol 255, which occurs"):
        measure_with(torch.tensor([float("inf")]).bfloat16(), CodeTable((127, 126), (1, 1)))
    with pytest.raises(ValueError, match="without elements"):
        measure_with(whole[:0], table)
