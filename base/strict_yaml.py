"""Mappings from a user's YAML: plain data only, and nothing that is said twice."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from halfbyte.base.errors import UserError

__all__ = ["check_keys", "parse_mapping", "read_mapping"]


class _Loader(yaml.SafeLoader):
    """``SafeLoader`` that refuses aliases, merges and keys that stand twice."""

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.AliasEvent):
            raise UserError("YAML aliases are not allowed")
        return super().compose_node(parent, index)

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
        keys = [str(key.value) for key, _ in node.value]
        twice = next((key for key in keys if keys.count(key) > 1), None)
        if twice is not None:
            raise UserError(f"Key {twice!r:.60} stands twice")
        return super().construct_mapping(node, deep=deep)


def parse_mapping(text: str, what: str) -> dict[Any, Any]:
    """The mapping that ``text`` is; raises UserError with one line, in which ``what`` names it."""
    try:
        data = yaml.load(text, Loader=_Loader)  # noqa: S506 (a SafeLoader with more checks)
    except UserError:
        raise
    except (yaml.YAMLError, RecursionError, ValueError, TypeError) as error:
        problem = str(getattr(error, "problem", None) or type(error).__name__)
        mark = getattr(error, "problem_mark", None)
        place = f" in line {mark.line + 1}" if mark else ""
        raise UserError(f"Not valid YAML: {problem}{place}") from error
    if not isinstance(data, dict):
        raise UserError(f"{what} must be a mapping of keys, not {data!r:.60}")
    return data


def read_mapping(path: Path, what: str, max_bytes: int = 64 * 1024) -> dict[Any, Any]:
    """The mapping in a file; raises UserError if it cannot be read or is none."""
    try:
        with path.open("rb") as file:
            raw = file.read(max_bytes + 1)
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror})") from error
    try:
        if len(raw) > max_bytes:
            raise UserError(f"{what} has at most {max_bytes} bytes")
        return parse_mapping(raw.decode("utf-8"), what)
    except UnicodeDecodeError as error:
        raise UserError(f"{path}: not a UTF-8 text file") from error
    except UserError as error:
        raise UserError(f"{path}: {error}") from error


def check_keys(
    data: Mapping[Any, Any], what: str, known: tuple[str, ...], required: tuple[str, ...] = ()
) -> None:
    """Raise UserError for a key of ``data`` that is not ``known``, or one that is missing."""
    for key in data:
        if key not in known:
            raise UserError(f"Unknown key {key!r:.60} in {what}; allowed: {', '.join(known)}")
    for key in required:
        if key not in data:
            raise UserError(f"Key {key!r} is missing in {what}")
