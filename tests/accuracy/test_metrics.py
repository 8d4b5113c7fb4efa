"""Ratios of sums of squares."""

import math

import pytest

from halfbyte.accuracy.metrics import sqnr_db


def test_sqnr_is_ten_times_the_logarithm_of_the_ratio():
    assert sqnr_db(100.0, 1.0) == 20
    assert sqnr_db(2.0, 1.0) == pytest.approx(3.0103)
    assert sqnr_db(1.0, 0.0) == math.inf


def test_no_signal_has_no_ratio():
    with pytest.raises(ValueError, match="needs a signal"):
        sqnr_db(0.0, 1.0)
