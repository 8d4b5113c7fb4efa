"""Find a recipe by its name or by the path of a YAML file."""

import difflib
import enum
from collections.abc import Mapping
from dataclasses import fields
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

from halfbyte.accuracy.recipes.recipe import Recipe
from halfbyte.base import UserError
from halfbyte.base.strict_yaml import check_keys, parse_mapping, read_mapping
from halfbyte.golden.operand import Clipping, Operand, TieRule, shown
from halfbyte.golden.quantizer import SupernormalSign
from halfbyte.golden.scales import ScaleFormat

__all__ = ["load_recipe", "parse_recipe", "recipe_names"]

LIBRARY = Path(__file__).parent / "library"
MAX_FILE_BYTES = 16 * 1024
_RECIPE_KEYS = tuple(field.name for field in fields(Recipe))
_OPERAND_KEYS = tuple(field.name for field in fields(Operand))
_Choice = TypeVar("_Choice", bound=enum.Enum)
_CHOICES: dict[str, type[enum.Enum]] = {
    "scale_format": ScaleFormat,
    "clip": Clipping,
    "supernormal_sign": SupernormalSign,
    "ties": TieRule,
}


def _choice(key: str, value: object, choices: type[_Choice]) -> _Choice:
    allowed = {str(choice.value): choice for choice in choices}
    if not isinstance(value, str) or value not in allowed:
        raise UserError(f"{key} must be one of {', '.join(allowed)}, not {shown(value)}")
    return allowed[value]


def _operand(key: str, value: object) -> Operand | None:
    """The operand that ``value``, a mapping from YAML, describes; None stays None."""
    if value is None:
        return None
    if not isinstance(value, Mapping):
        raise UserError(f"{key} must be a mapping of keys, not {shown(value)}")
    data = dict(value)
    check_keys(data, key, _OPERAND_KEYS)
    try:
        chosen: dict[str, enum.Enum] = {
            name: _choice(name, data[name], choices)
            for name, choices in _CHOICES.items()
            if name in data
        }
        data.update(chosen)
        return Operand(**data)
    except UserError as error:
        raise UserError(f"{key}: {error}") from error


def parse_recipe(text: str) -> Recipe:
    """Read a recipe from YAML text. A UserError names the wrong key and what is allowed."""
    return _recipe(parse_mapping(text, "a recipe"))


def _recipe(data: dict[Any, Any]) -> Recipe:
    check_keys(data, "a recipe", _RECIPE_KEYS, ("name", "title"))
    operands = {key: _operand(key, data.get(key)) for key in ("weights", "activations")}
    return Recipe(**{**data, **operands})


def _parse_file(path: Path) -> Recipe:
    data = read_mapping(path, "a recipe", MAX_FILE_BYTES)
    try:
        return _recipe(data)
    except UserError as error:
        raise UserError(f"{path}: {error}") from error


@cache
def recipe_names() -> tuple[str, ...]:
    """Names of the shipped recipes, in alphabetical order."""
    return tuple(sorted(path.stem for path in LIBRARY.glob("*.yaml")))


def load_recipe(reference: str | Path) -> Recipe:
    """The recipe that ``reference`` names: a shipped name, a Path, or text ending in .yaml or .yml.

    Raises UserError for a file that does not hold a recipe, and for an unknown name. For an unknown
    name, the message lists all names, and suggests a similar one if there is one.
    """
    text = str(reference)
    if isinstance(reference, Path) or text.endswith((".yaml", ".yml")):
        return _parse_file(Path(reference))
    if text in recipe_names():
        return _parse_file(LIBRARY / f"{text}.yaml")
    nearest = difflib.get_close_matches(text[:60].lower(), recipe_names(), n=1, cutoff=0.4)
    hint = f"did you mean {nearest[0]}? " if nearest else ""
    raise UserError(
        f"Unknown recipe {text[:60]!r}; {hint}known: {', '.join(recipe_names())}; "
        "or the path of a .yaml file"
    )
