"""Records of measurements: frozen dataclasses that are written and read as JSON.

A subclass of :class:`Record` lists its fields with their types. A text below each field says what
the field holds, and in which unit. The methods of Record use this list to write JSON, to check
JSON, and to make the JSON Schema.
"""

import ast
import inspect
import textwrap
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from functools import cache
from html import escape
from itertools import pairwise
from types import NoneType, UnionType
from typing import Any, Self, TypeVar, cast, get_args, get_origin

from halfbyte.base.errors import UserError
from halfbyte.base.strict_json import Json, JsonObject

__all__ = ["Record", "RecordError", "field_docs"]

_SCHEMA = "https://json-schema.org/draft/2020-12/schema"
_TYPES = {str: "string", float: "number", int: "integer", bool: "boolean", NoneType: "null"}
_NEVER = "Always null, since it does not apply."
_Reader = Callable[[object, str], object]
_Record = TypeVar("_Record", bound="Record")


class RecordError(UserError):
    """A JSON value is not the expected record. The message says which field is wrong."""


@dataclass(frozen=True)
class Record:
    """The base class of all records. Subclasses are frozen dataclasses.

    A field is text, a number, a boolean, another record, or a tuple or mapping of these. A value
    that is not known is None. A field of type ``JsonObject`` holds any JSON object. A field whose
    JSON name is a Python keyword has an underscore at its end: ``from_`` is ``from`` in JSON.
    """

    def as_json(self) -> dict[str, Json]:
        """The record as a JSON object. The fields keep their order."""
        return {_key(each.name): _plain(getattr(self, each.name)) for each in fields(self)}

    def _repr_html_(self) -> str:
        """An HTML table of the fields, which notebooks show."""
        rows = (
            f"<tr><th style='text-align:left'>{escape(name)}</th>"
            f"<td style='text-align:left'>{escape(str(value))}</td></tr>"
            for name, value in self.as_json().items()
        )
        return f"<table>{''.join(rows)}</table>"

    @classmethod
    def from_json(cls, data: object) -> Self:
        """Read a record from a JSON object.

        Raises RecordError if ``data`` is not an object, or if a field is unknown or missing, or has
        a value of a wrong type.
        """
        return _read(cls, data, cls.__name__)

    @classmethod
    def schema(cls) -> dict[str, Json]:
        """The JSON Schema of the record (draft 2020-12)."""
        return {"$schema": _SCHEMA, **_schema_of(cls)}

    @classmethod
    @cache
    def _readers(cls) -> dict[str, _Reader]:
        """For each field, a function that checks its value and reads it."""
        return {each.name: _reader(each.type) for each in fields(cls)}

    @classmethod
    @cache
    def _own_docs(cls) -> dict[str, str]:
        """The texts below the fields of this class; those of base classes are not included."""
        return _docs_in(inspect.getsource(cls))


def _key(name: str) -> str:
    """The name that a field has in JSON."""
    return name.removesuffix("_")


def _plain(value: object) -> Json:
    """A field's value as JSON: records and mappings become objects, tuples become lists."""
    if isinstance(value, Record):
        return value.as_json()
    if isinstance(value, Mapping):
        return {str(key): _plain(each) for key, each in value.items()}
    if isinstance(value, tuple | list):
        return [_plain(each) for each in value]
    if value is None or isinstance(value, str | int | float):
        return value
    raise TypeError(f"A record holds plain values, not {type(value).__name__}")


def _read(cls: type[_Record], data: object, place: str) -> _Record:
    """Read a record from JSON; ``place`` is its path in messages, such as ``Record.field``."""
    if not isinstance(data, Mapping):
        raise RecordError(f"{place} must be a JSON object, not {data!r:.60}")
    found = {}
    for name, read in cls._readers().items():
        key = _key(name)
        if key not in data:
            raise RecordError(f"{place} lacks the field {key}")
        found[name] = read(data[key], f"{place}.{key}")
    if len(found) < len(data):
        unknown = next(key for key in data if key not in map(_key, found))
        raise RecordError(f"{place} has an unknown field {unknown!r:.60}")
    return cls(**found)


def _reader(kind: Any) -> _Reader:
    """A function ``(value, place)`` that checks and reads a value of a field's type."""
    if kind is None:
        kind = NoneType
    if kind == JsonObject:
        return _object_of(lambda value, place: value)
    if get_origin(kind) is UnionType:
        return _one_of([_reader(each) for each in get_args(kind)], kind)
    if get_origin(kind) is tuple:
        return _list_of(_reader(get_args(kind)[0]))
    if get_origin(kind) is Mapping:
        return _object_of(_reader(get_args(kind)[1]))
    if issubclass(kind, Record):
        return lambda value, place: _read(kind, value, place)
    # An integer is allowed where a number is expected. A boolean is refused there.
    wanted = (int, float) if kind is float else (kind,)

    def read(value: object, place: str) -> object:
        if type(value) not in wanted:
            raise RecordError(f"{place} must be {_shown(kind)}, not {value!r:.60}")
        return value

    return read


def _one_of(readers: list[_Reader], kind: Any) -> _Reader:
    """A reader for a union type ``kind``: the first of ``readers`` that accepts the value."""

    def read(value: object, place: str) -> object:
        inner: RecordError | None = None
        for each in readers:
            try:
                return each(value, place)
            except RecordError as error:
                if not str(error).startswith(f"{place} must be"):
                    inner = error  # the value has this type, but something inside it is wrong
        raise inner or RecordError(f"{place} must be {_shown(kind)}, not {value!r:.60}")

    return read


def _list_of(entry: _Reader) -> _Reader:
    """A reader for a list; ``entry`` reads each of its entries."""

    def read(value: object, place: str) -> object:
        if not isinstance(value, list | tuple):
            raise RecordError(f"{place} must be a list, not {value!r:.60}")
        return tuple(entry(each, f"{place}[{index}]") for index, each in enumerate(value))

    return read


def _object_of(entry: _Reader) -> _Reader:
    """A reader for a JSON object with any keys; ``entry`` reads each of its values."""

    def read(value: object, place: str) -> object:
        if not isinstance(value, Mapping):
            raise RecordError(f"{place} must be a JSON object, not {value!r:.60}")
        return {str(key): entry(each, f"{place}.{key}") for key, each in value.items()}

    return read


def _shown(kind: Any) -> str:
    """The name of a Python type in JSON, with its article, for messages."""
    if get_origin(kind) is UnionType:
        return " or ".join(map(_shown, get_args(kind)))
    if get_origin(kind) is tuple:
        return "a list"
    name = _TYPES.get(kind, "object")
    article = "" if kind is NoneType else "an " if name[0] in "aeio" else "a "
    return article + name


def _schema_of(cls: type[Record]) -> dict[str, Json]:
    """The JSON Schema of a record, without its ``$schema`` entry."""
    docs = field_docs(cls)
    return {
        "title": cls.__name__,
        "description": (inspect.getdoc(cls) or "").split("\n\n")[0].replace("\n", " "),
        "type": "object",
        "properties": {
            _key(each.name): {**_type_schema(each.type), "description": docs[each.name]}
            for each in fields(cls)
        },
        "required": [_key(each.name) for each in fields(cls)],
        "additionalProperties": False,
    }


def _type_schema(kind: Any) -> dict[str, Json]:
    """The JSON Schema of a field's type."""
    if kind is None:
        return {"type": "null"}
    if kind == JsonObject:
        return {"type": "object"}
    if get_origin(kind) is UnionType:
        return {"anyOf": [_type_schema(each) for each in get_args(kind)]}
    if get_origin(kind) is tuple:
        return {"type": "array", "items": _type_schema(get_args(kind)[0])}
    if get_origin(kind) is Mapping:
        return {"type": "object", "additionalProperties": _type_schema(get_args(kind)[1])}
    return {"type": _TYPES[kind]} if kind in _TYPES else _schema_of(kind)


def field_docs(cls: type[Record]) -> dict[str, str]:
    """The text below each field of a record class, by the field's name; inherited fields included.

    A field whose type is None needs no text: it is always null. Raises LookupError for any other
    field without a text, since every number needs its unit.
    """
    found: dict[str, str] = {}
    for base in reversed(cls.__mro__):
        if issubclass(base, Record):
            found |= base._own_docs()
    for each in fields(cls):
        if each.name not in found and each.type is not None:
            raise LookupError(f"{cls.__name__}.{each.name} has no text that says what it is")
    return {each.name: found.get(each.name, _NEVER) for each in fields(cls)}


def _docs_in(source: str) -> dict[str, str]:
    """The text below each field in the source of a class, by the field's name."""
    (definition,) = ast.parse(textwrap.dedent(source)).body
    body = cast(ast.ClassDef, definition).body
    return {
        field.target.id: " ".join(text.value.value.split())
        for field, text in pairwise(body)
        if isinstance(field, ast.AnnAssign)
        and isinstance(field.target, ast.Name)
        and isinstance(text, ast.Expr)
        and isinstance(text.value, ast.Constant)
        and isinstance(text.value.value, str)
    }
