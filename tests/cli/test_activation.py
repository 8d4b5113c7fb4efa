"""The format of a MAC's activations comes from an option, or from the recipe.

A recipe says what is quantized in a model, and how.
"""

import pytest

from halfbyte.accuracy.recipes import load_recipe
from halfbyte.base import UserError
from halfbyte.cli.evaluate import operand_of


def test_a_recipe_may_state_the_format_of_activations():
    assert operand_of(load_recipe("w4a8"), None).name == "int8"
    assert operand_of(load_recipe("w4a8"), "int8").name == "int8"
    with pytest.raises(UserError, match="Recipe w4a8 quantizes activations to int8: leave out"):
        operand_of(load_recipe("w4a8"), "e2m1")


def test_other_recipes_take_the_format_of_the_option():
    assert operand_of(load_recipe("w4"), None) is None
    assert operand_of(load_recipe("w4a4"), None) is None
    assert operand_of(load_recipe("w4"), "int8").name == "int8"
