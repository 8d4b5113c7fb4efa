"""Write and read JSON strictly by the standard, which has no NaN and no Infinity.

On writing, a number that is not finite becomes null. On reading, such a number is an error.
"""

import json
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

__all__ = ["Json", "JsonObject", "json_text", "parse_json", "unique_keys"]

Json = Mapping[str, "Json"] | Sequence["Json"] | str | float | bool | None
"""A value of JSON. For the type checker, an int is a float."""
JsonObject = Mapping[str, Json]
"""A JSON object."""


def json_text(value: object, indent: int | None = None) -> str:
    """``value`` as JSON text.

    The value may consist of mappings, lists, tuples, text, numbers, booleans and None. Raises
    TypeError for anything else.
    """
    return json.dumps(_finite(value), indent=indent, allow_nan=False)


def parse_json(text: str | bytes) -> Json:
    """Read JSON.

    Raises ValueError if the text is not JSON by the standard, if an object has a key twice, if a
    number is too large for a double, or if the nesting is too deep for Python.
    """
    try:
        found: Json = json.loads(
            text,
            parse_constant=_refuse,
            parse_float=_number,
            parse_int=_integer,
            object_pairs_hook=unique_keys,
        )
    except RecursionError as error:
        raise ValueError("its parts are nested too deeply") from error
    return found


def unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A dict from pairs of key and value: an ``object_pairs_hook`` for ``json.loads``.

    Raises ValueError for a key that occurs twice.
    """
    found = dict(pairs)
    if len(found) < len(pairs):
        key, _ = Counter(key for key, _ in pairs).most_common(1)[0]
        raise ValueError(f"the key {key[:60]!r} occurs twice")
    return found


def _finite(value: object) -> object:
    """The value with None instead of every number that is not finite; tuples become lists."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {key: _finite(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(each) for each in value]
    return value


def _number(text: str) -> float:
    """The text as a float. Raises ValueError if it is too large, such as 1e999."""
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"{text[:40]} is too large a number")
    return value


def _integer(text: str) -> int:
    """The text as an int. Raises ValueError if it is too large for a float."""
    _number(text)
    return int(text)


def _refuse(constant: str) -> object:
    """Raise ValueError for NaN, Infinity and -Infinity, which Python's parser would accept."""
    raise ValueError(f"{constant} is not JSON")
