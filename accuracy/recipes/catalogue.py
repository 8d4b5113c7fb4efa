"""Finding a recipe: by the name of a shipped one, or the path of a YAML file."""

import difflib
import enum
from collections.abc import Mapping
from dataclasses import fields
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

import yaml

from halfbyte.accuracy.recipes.recipe import Clipping, Operand, Recipe, TieRule, shown
from halfbyte.base import UserError
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


class _Loader(yaml.SafeLoader):
    """``SafeLoader`` that refuses aliases and keys that stand twice."""

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.AliasEvent):
            raise UserError("YAML aliases are not allowed in a recipe")
        return super().compose_node(parent, index)

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
        keys = [str(key.value) for key, _ in node.value]
        twice = next((key for key in keys if keys.count(key) > 1), None)
        if twice is not None:
            raise UserError(f"Key {twice!r:.60} stands twice")
        return super().construct_mapping(node, deep=deep)


def _mapping(value: object, what: str, known: tuple[str, ...]) -> dict[str, Any]:
    """``value`` as a mapping with known keys only."""
    if not isinstance(value, Mapping):
        raise UserError(f"{what} must be a mapping of keys, not {shown(value)}")
    for key in value:
        if key not in known:
            raise UserError(f"Unknown key {shown(key)} in {what}; allowed: {', '.join(known)}")
    return dict(value)


def _choice(key: str, value: object, choices: type[_Choice]) -> _Choice:
    allowed = {str(choice.value): choice for choice in choices}
    if not isinstance(value, str) or value not in allowed:
        raise UserError(f"{key} must be one of {', '.join(allowed)}, not {shown(value)}")
    return allowed[value]


def _operand(key: str, value: object) -> Operand | None:
    if value is None:
        return None
    data = _mapping(value, key, _OPERAND_KEYS)
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
    """Build a recipe from YAML text; UserError names the key that is wrong, and what is allowed."""
    try:
        data = yaml.load(text, Loader=_Loader)  # noqa: S506 (a SafeLoader with more checks)
    except UserError:
        raise
    except (yaml.YAMLError, RecursionError, ValueError, TypeError) as error:
        first = str(getattr(error, "problem", None) or type(error).__name__)
        raise UserError(f"Not valid YAML: {first}") from error
    known = _mapping(data, "a recipe", _RECIPE_KEYS)
    for key in ("name", "title"):
        if key not in known:
            raise UserError(f"Key {key!r} is missing")
    for key in ("weights", "activations"):
        known[key] = _operand(key, known.get(key))
    return Recipe(**known)


def _parse_file(path: Path) -> Recipe:
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_FILE_BYTES + 1)
        if len(raw) > MAX_FILE_BYTES:
            raise UserError(f"A recipe has at most {MAX_FILE_BYTES} bytes")
        return parse_recipe(raw.decode("utf-8"))
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror})") from error
    except UnicodeDecodeError as error:
        raise UserError(f"{path}: not a UTF-8 text file") from error
    except UserError as error:
        raise UserError(f"{path}: {error}") from error


@cache
def recipe_names() -> tuple[str, ...]:
    """Names of the shipped recipes, in alphabetical order."""
    return tuple(sorted(path.stem for path in LIBRARY.glob("*.yaml")))


def load_recipe(reference: str | Path) -> Recipe:
    """The recipe that ``reference`` names: a shipped name, or a path that ends in ``.yaml``.

    Raises UserError: an unknown name (with the list and the nearest), or a file that is no recipe.
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
