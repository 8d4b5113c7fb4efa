"""Which operand a MAC has beside the weights."""

import pytest

from halfbyte.accuracy.recipes import load_recipe
from halfbyte.base import UserError
from halfbyte.cli.evaluate import operand_of


def test_a_recipe_that_quantizes_activations_says_to_what():
    assert operand_of(load_recipe("w4a8"), None).name == "int8"
    assert operand_of(load_recipe("w4a8"), "int8").name == "int8"
    with pytest.raises(UserError, match="Recipe w4a8 quantizes activations to int8: leave out"):
        operand_of(load_recipe("w4a8"), "e2m1")


def test_other_recipes_leave_it_open():
    assert operand_of(load_recipe("w4"), None) is None
    assert operand_of(load_recipe("w4a4"), None) is None
    assert operand_of(load_recipe("w4"), "int8").name == "int8"
