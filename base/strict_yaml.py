"""Read mappings from YAML files that users write: only plain data, with every key once."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from halfbyte.base.errors import UserError
from halfbyte.base.user_files import read_start

__all__ = ["check_keys", "parse_mapping", "read_mapping", "read_text"]


MAX_BYTES = 64 * 1024  # the largest file that is read
# No sensible number has more digits. Python is slow with very long numbers, or refuses them.
MAX_DIGITS = 100


class _Loader(yaml.SafeLoader):
    """A ``SafeLoader`` that refuses some things that YAML allows.

    These are aliases, merge keys, repeated keys, very long integers, and numbers such as 010 that
    look decimal but are not.
    """

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.AliasEvent):
            raise UserError("YAML aliases are not allowed")
        return super().compose_node(parent, index)

    def construct_yaml_int(self, node: Any) -> int:
        digits = len(node.value)
        if digits > MAX_DIGITS:
            place = f"in line {node.start_mark.line + 1}"
            raise UserError(
                f"The number {place} must have at most {MAX_DIGITS} digits, not {digits}"
            )
        _check_decimal(node)
        return int(super().construct_yaml_int(node))

    def construct_yaml_float(self, node: Any) -> float:
        _check_decimal(node)
        return float(super().construct_yaml_float(node))

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
        if any(key.tag == _MERGE for key, _ in node.value):
            raise UserError("YAML merge keys are not allowed")
        keys = [str(key.value) for key, _ in node.value]
        for index, key in enumerate(keys):
            if key in keys[:index]:
                line = node.value[index][0].start_mark.line + 1
                raise UserError(f"Key {key!r:.60} occurs twice, again in line {line}")
        return super().construct_mapping(node, deep=deep)


def _check_decimal(node: Any) -> None:
    """Refuse numbers that look decimal but that YAML 1.1 reads in another base.

    010 would be 8, and 1:30 would be 90. Numbers such as 0x1f are allowed.
    """
    if _ODD_BASE.match(node.value):
        place = f"in line {node.start_mark.line + 1}"
        raise UserError(f"The number {place} must be in decimal, not as {node.value!r:.40}")


_ODD_BASE = re.compile(r"[-+]?(0[0-9_]+$|[0-9_]+:)")
_MERGE = "tag:yaml.org,2002:merge"
_Loader.add_constructor("tag:yaml.org,2002:int", _Loader.construct_yaml_int)
_Loader.add_constructor("tag:yaml.org,2002:float", _Loader.construct_yaml_float)


def parse_mapping(text: str, what: str) -> dict[Any, Any]:
    """Read a mapping from ``text``; ``what`` names the text in messages.

    Raises UserError if the text is not YAML, is not a mapping, or has something that
    :class:`_Loader` refuses.
    """
    try:
        data = yaml.load(text, Loader=_Loader)  # noqa: S506 (a SafeLoader with more checks)
    except UserError:
        raise
    except (yaml.YAMLError, RecursionError, ValueError, TypeError) as error:
        problem = str(getattr(error, "problem", None) or type(error).__name__).splitlines()[0]
        mark = getattr(error, "problem_mark", None)
        place = f" in line {mark.line + 1}" if mark else ""
        raise UserError(f"{what} is not valid YAML: {problem}{place}") from error
    if not isinstance(data, dict):
        raise UserError(f"{what} must be a mapping of keys, not {data!r:.60}")
    return data


def read_text(path: Path, what: str, max_bytes: int = MAX_BYTES) -> str:
    """Read a UTF-8 text file; ``what`` names its content in messages.

    Raises UserError, which names the file, if it cannot be read, is too long, or is not UTF-8.
    """
    try:
        raw = read_start(path, max_bytes + 1)
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror})") from error
    if len(raw) > max_bytes:
        raise UserError(f"{path}: {what} must have at most {max_bytes} bytes")
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UserError(f"{path}: the file is not a UTF-8 text file") from error


def read_mapping(path: Path, what: str, max_bytes: int = MAX_BYTES) -> dict[Any, Any]:
    """Read a mapping from a file; ``what`` names its content in messages.

    Raises UserError if the file cannot be read, or does not contain a mapping.
    """
    text = read_text(path, what, max_bytes)
    try:
        return parse_mapping(text, what)
    except UserError as error:
        raise UserError(f"{path}: {error}") from error


def check_keys(
    data: Mapping[Any, Any], what: str, known: tuple[str, ...], required: tuple[str, ...] = ()
) -> None:
    """Raise UserError if ``data`` has a key that is not ``known``, or lacks a ``required`` key.

    ``what`` names the data in messages.
    """
    for key in data:
        if key not in known:
            raise UserError(f"Unknown key {key!r:.60} in {what}; allowed: {', '.join(known)}")
    for key in required:
        if key not in data:
            raise UserError(f"Key {key!r} is missing in {what}")
