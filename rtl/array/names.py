"""Names of an array's dataflows, of its modules, and of the parts that are synthesized alone."""

import enum
from typing import Self

from halfbyte.base import UserError

__all__ = [
    "ARRAY",
    "COLUMN_DELAY",
    "ELEMENT",
    "REGISTERS",
    "ROW_DELAY",
    "SUM_RETURN",
    "TAKE_DELAY",
    "UNIT",
    "Dataflow",
]

ARRAY, ELEMENT, UNIT = "array", "element", "unit"
REGISTERS, ROW_DELAY, COLUMN_DELAY = "registers", "row_delay", "column_delay"
SUM_RETURN, TAKE_DELAY = "sum_return", "take_delay"


class Dataflow(enum.Enum):
    """What stays in an element while everything else moves through the array."""

    OUTPUT = "output"
    """The sum stays: each element computes results of its own (output-stationary)."""

    WEIGHT = "weight"
    """The weights stay: a sum moves up through a column, and each element adds to it."""

    @classmethod
    def named(cls, name: str) -> Self:
        """The dataflow called ``name``; raises UserError if there is none."""
        for kind in cls:
            if kind.value == name:
                return kind
        kinds = " or ".join(kind.value for kind in cls)
        raise UserError(f"Dataflow must be {kinds}, not {name!r:.60}")
