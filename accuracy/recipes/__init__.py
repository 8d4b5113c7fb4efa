"""Recipes: how a model's weights and activations become 4-bit numbers.

A recipe says which of four steps are used. Smoothing moves outliers from activations into weights.
Clipping reduces block scales. GPTQ rounds columns in order, so that later ones correct earlier
errors. Rounding goes to the nearest value.
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
