"""Recipes: how a model's weights and activations become 4-bit numbers.

There are four steps: smoothing, clipping, GPTQ and rounding. A recipe says which of them are used.
"""

from halfbyte.accuracy.recipes.catalogue import load_recipe, recipe_names
from halfbyte.accuracy.recipes.pipeline import QuantizationNoise, quantized
from halfbyte.accuracy.recipes.recipe import Recipe
from halfbyte.golden.operand import Clipping, Operand, TieRule

__all__ = [
    "Clipping",
    "Operand",
    "QuantizationNoise",
    "Recipe",
    "TieRule",
    "load_recipe",
    "quantized",
    "recipe_names",
]
