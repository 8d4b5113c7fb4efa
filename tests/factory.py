"""Makes records for tests. A record is a dataclass that holds the results of a measurement.

A test gives only the fields that it needs; the other fields get plausible values.
"""

from collections.abc import Mapping
from dataclasses import MISSING, fields
from types import NoneType, UnionType
from typing import get_args, get_origin

from halfbyte.base import JsonObject, Record

__all__ = ["sample"]

# Values by the type of a field, and values by the name of a field.
_VALUES = {str: "text", int: 1, float: 1.0, bool: True}
_BY_NAME = {"status": "proved", "versions": {"pyosys": "0.70", "torch": "2", "card": "abc"}}


def sample(kind, **given):
    """A record of class ``kind`` with the given fields, and plausible values for the others."""
    missing = {each.name: _value(each) for each in fields(kind) if each.name not in given}
    return kind(**missing, **given)


def _value(field):
    """A field's default, or else a value by the field's name or type."""
    if field.default is not MISSING:
        return field.default
    return _BY_NAME.get(field.name, _of(field.type))


def _of(kind):
    """A plausible value of a type; None where None is allowed, or for an unknown type."""
    if get_origin(kind) is UnionType:
        return None if NoneType in get_args(kind) else _of(get_args(kind)[0])
    if get_origin(kind) is tuple:
        return ()
    if kind == JsonObject or get_origin(kind) is Mapping:
        return {}
    if kind in _VALUES:
        return _VALUES[kind]
    return sample(kind) if issubclass(kind, Record) else None
