"""Print to terminals and files whose encodings lack some of the characters that halfbyte prints."""

import codecs
import io
import sys

__all__ = ["write_any_text"]

# Replacements for characters that an encoding lacks. All others become a question mark.
_PLAIN = {
    "\N{MICRO SIGN}": "u",
    "\N{GREEK SMALL LETTER MU}": "u",
    "\N{SUPERSCRIPT TWO}": "2",
    "\N{HORIZONTAL ELLIPSIS}": "...",
    "\N{MINUS SIGN}": "-",
    "\N{EN DASH}": "-",
    "\N{PLUS-MINUS SIGN}": "+-",
    "\N{MULTIPLICATION SIGN}": "x",
    "\N{BULLET}": "*",
}
_HANDLER = "halfbyte.plain"


def _plain(error: UnicodeError) -> tuple[str, int]:
    """Handle an encoding error: returns the text to write instead, and where encoding goes on."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    text = error.object[error.start : error.end]
    return "".join(_PLAIN.get(letter, "?") for letter in text), error.end


def write_any_text() -> None:
    """Make standard output and error accept every text, in whatever encoding they have."""
    codecs.register_error(_HANDLER, _plain)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors=_HANDLER)
