"""The signal-to-quantization-noise ratio (SQNR) in decibels."""

import math

import pytest

from halfbyte.accuracy.metrics import sqnr_db


def test_sqnr_is_ten_times_the_logarithm_of_the_ratio():
    assert sqnr_db(100.0, 1.0) == 20
    assert sqnr_db(2.0, 1.0) == pytest.approx(3.0103)
    assert sqnr_db(1.0, 0.0) == math.inf


def test_a_signal_of_zero_is_refused():
    with pytest.raises(ValueError, match="sum of squares must be greater than 0, not"):
        sqnr_db(0.0, 1.0)
