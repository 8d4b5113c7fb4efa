"""Every shipped format has exactly the values listed here, in code order.

The quanta and widths of some formats are tested, too.
"""

from collections.abc import Sequence
from fractions import Fraction

import ml_dtypes
import numpy as np
import pytest

from halfbyte.formats import Format, Ties, bundled, load, lossless_acc_width, names


def signed(magnitudes: Sequence[float | Fraction]) -> list[Fraction]:
    """Values of sign-magnitude codes: the magnitudes, then the same magnitudes negated."""
    exact = [Fraction(magnitude) for magnitude in magnitudes]
    return [*exact, *(-magnitude for magnitude in exact)]


def replaced(values: Sequence[Fraction], code: int, value: float | Fraction) -> list[Fraction]:
    """The values with another value for one code."""
    return [Fraction(value) if index == code else old for index, old in enumerate(values)]


def over(denominator: int, numerators: Sequence[int]) -> list[Fraction]:
    """Fractions with a common denominator."""
    return [Fraction(numerator, denominator) for numerator in numerators]


E2M1 = signed([0, 0.5, 1, 1.5, 2, 3, 4, 6])
# A code is a sign bit, two bits that choose from {0, 1/2, 1/4, 1/16}, and a bit that chooses from
# {0, 1/8}. The value is the sum of both, divided by the largest sum, 0.625.
APOT4 = over(10, [0, 2, 8, 10, 4, 6, 1, 3, 0, -2, -8, -10, -4, -6, -1, -3])
E2M3 = [
    *[0, 0.125, 0.25, 0.375, 0.5, 0.625, 0.75, 0.875],
    *[1, 1.125, 1.25, 1.375, 1.5, 1.625, 1.75, 1.875],
    *[2, 2.25, 2.5, 2.75, 3, 3.25, 3.5, 3.75],
    *[4, 4.5, 5, 5.5, 6, 6.5, 7, 7.5],
]
E3M2 = [
    *[0, 0.0625, 0.125, 0.1875],
    *[0.25, 0.3125, 0.375, 0.4375],
    *[0.5, 0.625, 0.75, 0.875],
    *[1, 1.25, 1.5, 1.75],
    *[2, 2.5, 3, 3.5],
    *[4, 5, 6, 7],
    *[8, 10, 12, 14],
    *[16, 20, 24, 28],
]
# The values of E4M3 without a sign, in units of 2^-9, the smallest subnormal. The last code is NaN
# in the standard; here it has the largest value.
E4M3_UNITS = [
    *[0, 1, 2, 3, 4, 5, 6, 7],
    *[8, 9, 10, 11, 12, 13, 14, 15],
    *[16, 18, 20, 22, 24, 26, 28, 30],
    *[32, 36, 40, 44, 48, 52, 56, 60],
    *[64, 72, 80, 88, 96, 104, 112, 120],
    *[128, 144, 160, 176, 192, 208, 224, 240],
    *[256, 288, 320, 352, 384, 416, 448, 480],
    *[512, 576, 640, 704, 768, 832, 896, 960],
    *[1024, 1152, 1280, 1408, 1536, 1664, 1792, 1920],
    *[2048, 2304, 2560, 2816, 3072, 3328, 3584, 3840],
    *[4096, 4608, 5120, 5632, 6144, 6656, 7168, 7680],
    *[8192, 9216, 10240, 11264, 12288, 13312, 14336, 15360],
    *[16384, 18432, 20480, 22528, 24576, 26624, 28672, 30720],
    *[32768, 36864, 40960, 45056, 49152, 53248, 57344, 61440],
    *[65536, 73728, 81920, 90112, 98304, 106496, 114688, 122880],
    *[131072, 147456, 163840, 180224, 196608, 212992, 229376, 229376],
]
NF4 = [-127, -88, -67, -50, -36, -23, -12, 0, 10, 20, 31, 43, 56, 71, 92, 127]
SF4 = [-127, -80, -58, -42, -30, -19, -10, 0, 8, 17, 26, 36, 48, 62, 83, 127]
SF4_6 = [-31, -19, -14, -10, -7, -5, -2, 0, 2, 4, 6, 9, 12, 15, 20, 31]

VALUES: dict[str, Sequence[float | Fraction]] = {
    "apot4": APOT4,
    "apot4_sp": replaced(APOT4, 8, Fraction(1, 2)),
    "e1m2": signed([0, 0.25, 0.5, 0.75, 1, 1.25, 1.5, 1.75]),
    "e2m1": E2M1,
    "e2m1_b": signed([0, 0.0625, 8, 12, 4, 6, 2, 3]),
    "e2m1_i": signed([0, 0.0625, 1, 1.5, 2, 3, 4, 6]),
    "e2m1_sp": replaced(E2M1, 8, 5),
    "e2m1_sr": replaced(E2M1, 8, 8),
    "e2m3": signed(E2M3),
    "e3m0": signed([0, 0.25, 0.5, 1, 2, 4, 8, 16]),
    "e3m2": signed(E3M2),
    "e4m3": signed(over(512, E4M3_UNITS)),
    "int4": [0, 1, 2, 3, 4, 5, 6, 7, -8, -7, -6, -5, -4, -3, -2, -1],
    "int5": [*range(16), *range(-16, 0)],
    "int8": [*range(128), *range(-128, 0)],
    "nf4": over(127, NF4),
    "sf4": over(127, SF4),
    "sf4@6": over(31, SF4_6),
}
EVEN = {"e1m2", "e2m1", "e2m3", "e3m2", "e4m3", "int4", "int5", "int8"}
# The smallest signed widths that hold every sum of 256 products of two values of the format.
LOSSLESS_256 = {
    "int4": 16,
    "int5": 18,
    "e2m1": 17,
    "e2m1_sr": 18,
    "e2m1_sp": 17,
    "e3m0": 22,
    "apot4": 16,
    "apot4_sp": 16,
    "e2m1_i": 23,
    "e2m1_b": 25,
}
OCP_TYPES = {
    "e2m1": ml_dtypes.float4_e2m1fn,
    "e2m3": ml_dtypes.float6_e2m3fn,
    "e3m2": ml_dtypes.float6_e3m2fn,
    "e4m3": ml_dtypes.float8_e4m3fn,
}


def test_every_shipped_format_is_listed_here() -> None:
    assert set(VALUES) - {"sf4@6"} == set(names())


@pytest.mark.parametrize("reference", VALUES)
def test_values_in_code_order(reference: str) -> None:
    assert list(load(reference).values) == list(VALUES[reference])


@pytest.mark.parametrize("fmt", bundled(), ids=lambda fmt: fmt.name)
def test_ties_are_even_where_the_standard_says_so(fmt: Format) -> None:
    assert fmt.ties is (Ties.EVEN if fmt.name in EVEN else Ties.DOWN)


@pytest.mark.parametrize("fmt", bundled(), ids=lambda fmt: fmt.name)
def test_the_file_name_is_the_name_and_a_source_is_given(fmt: Format) -> None:
    assert load(fmt.name) is fmt
    assert len(fmt.source) > 20
    assert fmt.title


@pytest.mark.parametrize("name", OCP_TYPES)
def test_every_code_agrees_with_ml_dtypes(name: str) -> None:
    fmt = load(name)
    codes = np.arange(2**fmt.bits, dtype=np.uint8)
    theirs = codes.view(OCP_TYPES[name]).astype(np.float64)
    nan_codes = tuple(codes[np.isnan(theirs)].tolist())
    assert fmt.nan_codes == nan_codes
    for code, value in enumerate(theirs.tolist()):
        if code not in nan_codes:
            assert fmt.values[code] == Fraction(value)


def test_nan_codes_have_the_largest_value_of_their_sign() -> None:
    fmt = load("e4m3")
    assert [fmt.values[code] for code in fmt.nan_codes] == [448, -448]


@pytest.mark.parametrize(("name", "width"), LOSSLESS_256.items())
def test_lossless_accumulator_widths(name: str, width: int) -> None:
    assert lossless_acc_width(load(name), load(name), 256) == width


@pytest.mark.parametrize(
    ("name", "quantum"),
    [
        ("int4", Fraction(1)),
        ("e2m1_sp", Fraction(1, 2)),
        ("e3m0", Fraction(1, 4)),
        ("e2m1_i", Fraction(1, 16)),
        ("e2m1_b", Fraction(1, 16)),
        ("apot4", Fraction(1, 10)),
        ("sf4", Fraction(1, 127)),
        ("sf4@6", Fraction(1, 31)),
        ("e4m3", Fraction(1, 512)),
    ],
)
def test_quanta(name: str, quantum: Fraction) -> None:
    assert load(name).quantum == quantum


@pytest.mark.parametrize(
    ("name", "integer_width", "magnitude_width"),
    [("int4", 4, 4), ("e2m1", 5, 4), ("e2m1_sr", 6, 5), ("apot4", 5, 4), ("sf4", 8, 7)],
)
def test_operand_widths(name: str, integer_width: int, magnitude_width: int) -> None:
    fmt = load(name)
    assert (fmt.integer_width, fmt.magnitude_width) == (integer_width, magnitude_width)
