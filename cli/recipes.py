"""``halfbyte recipes``: list the recipes, which say what is quantized in a model, and how."""

from halfbyte.cli.options import Json
from halfbyte.cli.output import print_json, table

__all__ = ["recipes"]


def recipes(json: Json = False) -> None:
    """List the shipped recipes, which say what is quantized in a model, and how."""
    from halfbyte.accuracy.recipes import load_recipe, recipe_names

    found = [load_recipe(name) for name in recipe_names()]
    if json:
        print_json([recipe.record() for recipe in found])
        return
    rows = [[recipe.name, recipe.title, recipe.source] for recipe in found]
    caption = "--recipe takes one of these names, or a .yaml file of your own"
    table("Recipes", ["name", "what", "~source"], rows, caption)
