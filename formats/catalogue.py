"""Finding a format: by the name of a shipped one, ``name@lut_bits``, or the path of a file."""

import difflib
import re
from functools import cache
from pathlib import Path

from halfbyte.formats.errors import FormatError
from halfbyte.formats.model import Format
from halfbyte.formats.parse import parse_file

__all__ = ["bundled", "load", "names"]

LIBRARY = Path(__file__).parent / "library"
_REFERENCE = re.compile(r"([a-z][a-z0-9_]*)(?:@([0-9]{1,2}))?")
_DERIVED_NAME = re.compile(r"([a-z][a-z0-9_]*)_lut([0-9]{1,2})")


@cache
def names() -> tuple[str, ...]:
    """Names of the shipped formats, in alphabetical order."""
    return tuple(sorted(path.stem for path in LIBRARY.glob("*.yaml")))


def bundled() -> tuple[Format, ...]:
    """Every shipped format, in the order of :func:`names`."""
    return tuple(load(name) for name in names())


@cache
def _load_shipped(name: str, lut_bits: int | None) -> Format:
    return parse_file(LIBRARY / f"{name}.yaml", lut_bits=lut_bits)


def load(reference: str | Path) -> Format:
    """The format that ``reference`` names.

    Parameters
    ----------
    reference : str or Path
        A shipped name (``e2m1_sp``); a quantile format with another table width (``sf4@6``, whose
        own name is then ``sf4_lut6``); or a path that ends in ``.yaml`` or ``.yml``.

    Raises
    ------
    FormatError
        Unknown name (with the list and the nearest), or a file that is no valid format.
    """
    text = str(reference)
    if isinstance(reference, Path) or text.endswith((".yaml", ".yml")):
        return parse_file(Path(reference))
    match = _DERIVED_NAME.fullmatch(text) or _REFERENCE.fullmatch(text)
    if match and match[1] in names():
        return _load_shipped(match[1], int(match[2]) if match[2] else None)
    nearest = difflib.get_close_matches(text[:60].lower(), names(), n=1, cutoff=0.4)
    hint = f"did you mean {nearest[0]}? " if nearest else ""
    raise FormatError(
        f"Unknown format {text[:60]!r}; {hint}known: {', '.join(names())}; "
        "sf4@6 for another table width; or the path of a .yaml file"
    )
