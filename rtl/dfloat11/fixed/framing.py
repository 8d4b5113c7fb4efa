"""The beats, or transfers, on the input streams of the decoder without a code table.

A symbol is the exponent of a weight.
"""

from amaranth.lib import data

from halfbyte.base import UserError

__all__ = ["MAX_SYMBOLS", "beat_layout", "check_symbols"]

MAX_SYMBOLS = 2  # the most exponents that a lane can decode in a cycle


def check_symbols(symbols: int) -> None:
    """Raise UserError if a lane cannot decode this many symbols in a cycle."""
    if symbols not in range(1, MAX_SYMBOLS + 1):
        raise UserError(f"A lane decodes 1 or {MAX_SYMBOLS} symbols a cycle, not {symbols}")


def beat_layout(symbols: int) -> data.StructLayout:
    """A beat of codes or raw bytes: one byte for each symbol of a cycle, the first byte lowest."""
    return data.StructLayout({"data": 8 * symbols, "last": 1})
