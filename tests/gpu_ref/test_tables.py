"""Tests the tables of formats that the kernels use, at every threshold between two codes.

The tables are computed independently of the golden encoder.
"""

import ctypes
import math
from fractions import Fraction

import ml_dtypes
import numpy as np
import pytest
import torch

from halfbyte.base import UserError
from halfbyte.formats import Format, bundled, load
from halfbyte.golden import scalar
from halfbyte.gpu_ref.build import format_table
from halfbyte.gpu_ref.cases import near_thresholds
from halfbyte.gpu_ref.quantizer import encode
from halfbyte.gpu_ref.tables import format_header, tables_source


@pytest.mark.parametrize("fmt", bundled(), ids=lambda fmt: fmt.name)
def test_tables_hold_the_format(fmt):
    table = format_table(fmt)
    count = 2**fmt.bits
    assert table.encoder.bits == table.decoder.bits == fmt.bits
    assert tuple(table.decoder.integers[:count]) == fmt.integers
    assert Fraction(table.decoder.quantum) == scalar.round_to_fp32(fmt.quantum)
    assert Fraction(table.largest.value) == scalar.round_to_fp32(fmt.max_value)
    rounded_down = table.largest.significand * Fraction(2) ** (table.largest.exponent - 23)
    step = Fraction(2) ** (table.largest.exponent - 23)
    assert rounded_down <= fmt.max_value < rounded_down + step
    thresholds = [x for x in table.encoder.thresholds if not math.isnan(x)]
    assert len(thresholds) == len(set(fmt.values)) - 1


@pytest.mark.parametrize("name", ["e2m1_sp", "sf4", "apot4", "e3m2", "int5"])
def test_codes_near_every_threshold_are_as_defined(name):
    fmt = load(name)
    x = near_thresholds(fmt)
    x = x[x.isfinite()]
    codes = encode(x, fmt).tolist()
    assert codes == [scalar.encode(Fraction(value), fmt) for value in x.tolist()]


def around(points: torch.Tensor, steps: int) -> torch.Tensor:
    """The points, and the next ``steps`` floats below and above each."""
    bits = points.to(torch.float32).view(torch.int32).unsqueeze(1)
    return (bits + torch.arange(-steps, steps + 1, dtype=torch.int32)).view(torch.float32).ravel()


def test_e2m1_agrees_with_ml_dtypes_at_every_threshold():
    fmt = load("e2m1")
    middles = torch.tensor([0.25, 0.75, 1.25, 1.75, 2.5, 3.5, 5.0])
    values = torch.tensor([0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0, 100.0, 2.0**-126])
    positive = around(torch.cat((middles, values)), 1000)
    sweep = torch.arange(0, 2**31 - 2**23, 9973, dtype=torch.int64).to(torch.int32)
    x = torch.cat((positive, -positive, sweep.view(torch.float32), -sweep.view(torch.float32)))
    theirs = x.numpy().astype(ml_dtypes.float4_e2m1fn).astype(np.float32)
    integers = torch.tensor(fmt.integers, dtype=torch.float32)
    ours = (integers[encode(x, fmt).long()] / 2).numpy()
    assert len(x) > 400_000
    assert np.array_equal(ours, theirs)


def test_a_header_is_valid_for_any_name_and_title():
    values = tuple(Fraction(value, 3) for value in (0, 1, -2, 5))
    fmt = Format(name="double", title='*/ "\\\n#error', bits=2, values=values)
    header = format_header(fmt)
    assert "format_double" in header  # "double" is a keyword of C++, but a valid format name
    assert "#error" not in header
    assert "double.h" in tables_source([fmt])
    assert format_table(fmt).decoder.magnitude == 5


def test_a_format_may_have_the_name_of_a_header():
    values = tuple(Fraction(value) for value in (0, 1, -1, 3))
    table = format_table(Format(name="arithmetic", title="Arithmetic", bits=2, values=values))
    assert table.decoder.integers[:4] == [0, 1, -1, 3]


def test_a_format_beyond_fp32_is_refused():
    values = tuple(Fraction(value) * Fraction(2) ** 130 for value in (0, 1, 2, 3))
    with pytest.raises(UserError, match="rescale the values"):
        format_header(Format(name="huge", title="Huge", bits=2, values=values))


def test_the_size_of_a_table_is_a_multiple_of_four_bytes():
    assert ctypes.sizeof(format_table(load("int4"))) % 4 == 0
