"""The block-scaled GEMM gives exactly the numbers of its definition, in each type of arithmetic.

The module ``scalar`` is the definition: plain Python that computes in exact fractions.
"""

import math
from fractions import Fraction

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from halfbyte.formats import Format, bundled, load
from halfbyte.golden import Quantized, gemm, quantize, scalar
from halfbyte.golden.bench import benchmark_gemm
from halfbyte.golden.matmul import Arithmetic, exact_arithmetic

PAIRS = [(fmt, fmt) for fmt in bundled()] + [
    (load("int8"), load("e2m1_sp")),
    (load("e4m3"), load("sf4")),
    (load("int4"), load("sf4@16")),
]


def random_operand(
    rows: int, length: int, fmt: Format, block: int, *, seed: int, scale: float = 1.0
) -> Quantized:
    generator = torch.Generator().manual_seed(seed)
    return quantize(torch.randn(rows, length, generator=generator) * scale, fmt, block=block)


def defined(a: Quantized, w: Quantized) -> list[list[Fraction]]:
    """The product by the definition."""

    def scales(operand: Quantized) -> list[list[Fraction]]:
        return [[Fraction(scale) for scale in row] for row in operand.scales.tolist()]

    return scalar.gemm(
        a.codes.tolist(),
        scales(a),
        w.codes.tolist(),
        scales(w),
        activation=a.format,
        weight=w.format,
        block=a.block,
    )


def assert_as_defined(a: Quantized, w: Quantized) -> None:
    result = gemm(a, w)
    assert result.dtype == torch.float32
    assert result.shape == (a.shape[0], w.shape[0])
    assert [[Fraction(value) for value in row] for row in result.tolist()] == defined(a, w)


@pytest.mark.parametrize(
    ("activation", "weight"), PAIRS, ids=lambda fmt: fmt.name if isinstance(fmt, Format) else ""
)
def test_every_format_is_multiplied_as_defined(activation: Format, weight: Format) -> None:
    a = random_operand(3, 37, activation, 16, seed=1)
    w = random_operand(5, 37, weight, 16, seed=2)
    assert_as_defined(a, w)


@pytest.mark.parametrize(
    ("m", "n", "k", "block"),
    [
        (1, 1, 1, 1),
        (1, 1, 128, 128),
        (2, 3, 131, 128),
        (7, 5, 97, 13),
        (3, 2, 64, 1),
        (1, 11, 300, 128),
        (4, 4, 40, 1000),
    ],
)
def test_every_shape_is_multiplied_as_defined(m: int, n: int, k: int, block: int) -> None:
    a = random_operand(m, k, load("e2m1_sp"), block, seed=m)
    w = random_operand(n, k, load("nf4"), block, seed=n)
    assert_as_defined(a, w)


@settings(max_examples=60)
@given(st.data())
def test_any_codes_and_scales_are_multiplied_as_defined(data: st.DataObject) -> None:
    m, n, k, block = (data.draw(st.integers(1, top)) for top in (3, 3, 12, 5))
    # A product of two scales and an integer stays below 2^128, but it may be subnormal.
    scale = st.floats(2.0**-80, 2.0**40, width=32)

    def operand(rows: int) -> Quantized:
        fmt = data.draw(st.sampled_from([fmt for fmt in bundled() if fmt.bits == 4]))
        codes = [[data.draw(st.integers(0, 15)) for _ in range(k)] for _ in range(rows)]
        scales = [[data.draw(scale) for _ in range(-(-k // block))] for _ in range(rows)]
        return Quantized(
            torch.tensor(codes, dtype=torch.uint8),
            torch.tensor(scales, dtype=torch.float32),
            fmt,
            block,
        )

    assert_as_defined(operand(m), operand(n))


@pytest.mark.parametrize("scale", [1e-38, 1e-22, 3e-20, 1e-10, 1e10, 1e17])
def test_extreme_scales_are_multiplied_as_defined(scale: float) -> None:
    a = random_operand(3, 50, load("e2m1"), 16, seed=1, scale=scale)
    w = random_operand(4, 50, load("int4"), 16, seed=2, scale=scale)
    assert_as_defined(a, w)


def test_blocks_of_zeros_are_multiplied_as_defined() -> None:
    x = torch.randn(3, 48)
    x[:, 16:32] = 0
    x[1] = 0
    a = quantize(x, load("e3m0"), block=16)
    w = random_operand(4, 48, load("e3m0"), 16, seed=3)
    assert_as_defined(a, w)
    assert not gemm(a, w)[1].signbit().any()


@pytest.mark.parametrize(("m", "n", "k"), [(0, 3, 5), (3, 0, 5), (3, 2, 0), (0, 0, 0)])
def test_empty_operands_give_zeros(m: int, n: int, k: int) -> None:
    fmt = load("int4")
    result = gemm(random_operand(m, k, fmt, 4, seed=0), random_operand(n, k, fmt, 4, seed=1))
    assert torch.equal(result, torch.zeros(m, n))


@pytest.mark.parametrize("name", ["int4", "e2m1_b", "int8", "sf4"])
@pytest.mark.parametrize(("m", "n", "k", "block"), [(1030, 530, 300, 128), (33, 1025, 256, 64)])
def test_float_and_integer_arithmetic_agree_over_all_tiles(
    name: str, m: int, n: int, k: int, block: int
) -> None:
    fmt = load(name)
    a, w = random_operand(m, k, fmt, block, seed=1), random_operand(n, k, fmt, block, seed=2)
    assert exact_arithmetic(fmt, fmt, block) is Arithmetic.FLOAT32
    result = gemm(a, w)
    assert torch.equal(result, gemm(a, w, arithmetic=Arithmetic.INT64))
    assert torch.equal(result, gemm(a, w, arithmetic=Arithmetic.FLOAT64))


def test_the_worst_sums_within_the_bound_are_exact() -> None:
    fmt = load("e2m1_b")  # largest integer 192
    block = 2**24 // 192**2
    assert exact_arithmetic(fmt, fmt, block) is Arithmetic.FLOAT32
    assert exact_arithmetic(fmt, fmt, block + 1) is Arithmetic.FLOAT64
    codes = torch.full((2, block), 3, dtype=torch.uint8)
    codes[1, 0] = 1  # the value 1/16, as an integer 1, so that a sum next to the bound is odd
    operand = Quantized(codes, torch.ones(2, 1), fmt, block)
    assert_as_defined(operand, operand)


def test_sums_beyond_the_significand_are_rounded_once() -> None:
    # Some sums of long blocks of 20-bit integers exceed 2^53. In float64 they would be rounded
    # twice: to float64, and then to FP32.
    half = 2**20 - 1
    values = tuple(Fraction(value) for value in (0, 1, half, -half))
    fmt = Format(name="wide", title="Wide", bits=2, values=values)
    block = 3 * 2**13
    assert exact_arithmetic(fmt, fmt, block) is Arithmetic.INT64
    generator = torch.Generator().manual_seed(5)
    codes = torch.randint(1, 3, (2, block), dtype=torch.uint8, generator=generator)
    operand = Quantized(codes, torch.ones(2, 1), fmt, block)
    assert int(scalar.dot(codes[0].tolist(), codes[0].tolist(), fmt, fmt)) > 2**53
    assert_as_defined(operand, operand)


def test_reduced_matmul_precision_changes_nothing() -> None:
    fmt = load("int8")
    a, w = random_operand(64, 256, fmt, 128, seed=1), random_operand(64, 256, fmt, 128, seed=2)
    expected = gemm(a, w, arithmetic=Arithmetic.INT64)
    precision = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("medium")
    try:
        assert torch.equal(gemm(a, w), expected)
    finally:
        torch.set_float32_matmul_precision(precision)


def test_a_block_longer_than_a_row_is_the_row() -> None:
    x, fmt = torch.randn(3, 20), load("int4")
    whole, longer = quantize(x, fmt, block=None), quantize(x, fmt, block=128)
    assert torch.equal(gemm(whole, longer), gemm(longer, longer))


def test_the_result_is_near_the_real_product() -> None:
    x, y = torch.randn(8, 512), torch.randn(8, 512)
    a, w = quantize(x, load("int8")), quantize(y, load("int8"))
    reference = a.dequantize().double() @ w.dequantize().double().T
    # Products of scales, and the sums of four blocks, are rounded to FP32, so the result may differ
    # by a few ulps.
    assert torch.allclose(gemm(a, w).double(), reference, rtol=1e-5, atol=1e-4)


def test_bad_operands_are_refused() -> None:
    fmt = load("int4")
    a = random_operand(2, 8, fmt, 4, seed=0)
    with pytest.raises(ValueError, match=r"not \(2, 8\) and \(2, 7\)"):
        gemm(a, random_operand(2, 7, fmt, 4, seed=0))
    with pytest.raises(ValueError, match="equal block sizes, not 4 and 2"):
        gemm(a, random_operand(2, 8, fmt, 2, seed=0))
    with pytest.raises(ValueError, match=r"needs shapes \(M, K\) and \(N, K\)"):
        gemm(a, quantize(torch.randn(8), fmt, block=4))
    with pytest.raises(TypeError, match="needs Quantized operands, not Tensor"):
        gemm(a, torch.zeros(2, 8))  # type: ignore[arg-type]


@pytest.mark.parametrize("codes", [[7, 0], [0, 0]])
def test_overflow_is_refused(codes: list[int]) -> None:
    operand = Quantized(
        torch.tensor([codes], dtype=torch.uint8), torch.full((1, 1), 1e30), load("int4"), 2
    )
    with pytest.raises(ValueError, match="exceeds the range of FP32"):
        gemm(operand, operand)
    with pytest.raises(ValueError, match="exceeds the range of FP32"):
        defined(operand, operand)


def test_the_benchmark_compares_with_the_matmul_of_torch() -> None:
    record = benchmark_gemm(load("int4"), load("e2m1"), m=16, n=16, k=256, repeats=3)
    assert (record.m, record.n, record.k, record.block) == (16, 16, 256, 128)
    assert (record.format, record.activation) == ("int4", "e2m1")
    assert record.arithmetic == "float32"
    assert record.seconds > 0
    assert math.isclose(record.ratio, record.seconds / record.torch_matmul_seconds)
