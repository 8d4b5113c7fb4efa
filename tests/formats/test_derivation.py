"""Formats derived from a distribution: their files, names and errors.

``tests/cli/test_derive.py`` has further tests.
"""

import numpy as np
import pytest

from halfbyte.formats import FormatError, load
from halfbyte.formats.derivation import Derivation
from halfbyte.formats.parse import parse_text

SF4 = Derivation("student_t", 5.0, 4, 8, "quantile", 128, 3.5)


def test_the_written_file_is_read_as_the_format():
    fmt = parse_text(SF4.text(SF4.default_name))
    assert (fmt.name, fmt.title) == ("student_t_nu5", "Student's t, nu 5, quantiles, 4 bits")
    assert fmt.values == load("sf4").values
    assert np.allclose(SF4.levels, [float(value) for value in fmt.values], atol=1 / 254)


def test_errors_need_a_distribution_with_a_variance():
    errors = SF4.errors(load("sf4"))
    assert errors.sqnr_db == pytest.approx(-10 * np.log10(errors.relative_mse))
    assert 0 < errors.distance_db < 1
    assert errors.entropy < 4
    heavy = Derivation("student_t", 1.5, 4, 8, "quantile", 128, 3.5)
    assert heavy.errors(load("sf4")) is None


def test_a_wrong_width_of_the_table_is_refused():
    for method in ("quantile", "lloyd_max"):
        wide = Derivation("normal", None, 3, 99, method, 128, 3.5)
        with pytest.raises(FormatError, match="lut_bits must be an integer from 4 to 16, not 99"):
            wide.text("mine")


def test_an_unknown_method_is_refused():
    with pytest.raises(
        FormatError, match="Method must be one of quantile, lloyd_max, entropy, not 'k'"
    ):
        Derivation("normal", None, 4, 8, "k", 128, 3.5)
