"""Names of the modules of an array."""

__all__ = ["ARRAY", "ELEMENT", "UNIT"]

ARRAY, ELEMENT, UNIT = "array", "element", "unit"
