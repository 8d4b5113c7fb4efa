"""Recipes: how a model's weights and activations become numbers of few bits.

A recipe may use three methods. Smoothing moves outliers from activations into weights.
Clipping reduces block scales. GPTQ rounds the columns of a weight in order, so that later columns
correct the errors of earlier ones. Without GPTQ, every weight is rounded to the nearest value.
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
