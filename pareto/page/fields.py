"""Read fields of records, which may come from any release of halfbyte and be of any kind."""

from collections.abc import Mapping

from halfbyte.base import JsonObject, UserError

__all__ = ["members", "number", "text"]


def number(record: JsonObject, key: str) -> float | None:
    """A number in a field; None if it is null or missing. Raises UserError for other values."""
    value = record.get(key)
    if value is None or (isinstance(value, int | float) and not isinstance(value, bool)):
        return value
    raise UserError(f"The field {key} of a record must be a number, not {value!r:.60}")


def text(record: JsonObject, key: str) -> str | None:
    """The value of a field as text; None if it is null or missing."""
    value = record.get(key)
    return None if value is None else str(value)


def members(record: JsonObject, key: str) -> JsonObject:
    """A JSON object in a field; empty if null or missing. Raises UserError for other values."""
    value = record.get(key)
    if value is None:
        return {}
    if isinstance(value, Mapping):
        return value
    raise UserError(f"The field {key} of a record must be a JSON object, not {value!r:.60}")
