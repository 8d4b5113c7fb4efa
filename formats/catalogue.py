"""Finding a format: by the name of a shipped one or of a user's own, or by the path of a file.

``NAME@BITS`` and ``PATH.yaml@BITS`` round its values to a table of so many bits.
"""

import difflib
import re
from functools import cache
from pathlib import Path

from halfbyte.base import user_folder
from halfbyte.base.strict_yaml import read_text
from halfbyte.formats.errors import FormatError
from halfbyte.formats.model import Format
from halfbyte.formats.parse import parse_file, parse_text

__all__ = ["bundled", "load", "names", "user_names"]

LIBRARY = Path(__file__).parent / "library"
_REFERENCE = re.compile(r"([a-z][a-z0-9_]*)(?:@([0-9]{1,2}))?")
_FILE = re.compile(r"(.*\.ya?ml)(?:@([0-9]{1,2}))?", re.DOTALL)
_DERIVED_NAME = re.compile(r"([a-z][a-z0-9_]*)_lut([0-9]{1,2})")


@cache
def names() -> tuple[str, ...]:
    """Names of the shipped formats, in alphabetical order."""
    return tuple(sorted(path.stem for path in LIBRARY.glob("*.yaml")))


def user_names() -> tuple[str, ...]:
    """Names of the user's own formats: files ``NAME.yaml`` in the folder for them."""
    folder = user_folder("formats")
    found = sorted(path.stem for path in folder.glob("*.yaml")) if folder else []
    return tuple(name for name in found if name not in names())


def bundled() -> tuple[Format, ...]:
    """Every shipped format, in the order of :func:`names`."""
    return tuple(load(name) for name in names())


@cache
def _load_shipped(name: str, lut_bits: int | None) -> Format:
    text = read_text(LIBRARY / f"{name}.yaml", "A format file")
    try:
        return parse_text(text, lut_bits=lut_bits)
    except FormatError as error:  # the user gave the width alone
        raise FormatError(f"{name}@{lut_bits}: {error}") from error


def load(reference: str | Path) -> Format:
    """The format that ``reference`` names.

    Parameters
    ----------
    reference : str or Path
        A shipped name (``e2m1_sp``), the name of a file in the user's folder of formats, or a path
        that ends in ``.yaml`` or ``.yml``. ``@BITS`` behind any of these (``sf4@6``, whose own name
        is then ``sf4_lut6``) gives a table of that width.

    Raises
    ------
    FormatError
        Unknown name (with the list and the nearest), a file that is not a valid format, or one that
        takes the name of a shipped format for other values.
    """
    text = str(reference)
    file = _FILE.fullmatch(text)
    if file or isinstance(reference, Path):
        path, bits = (file[1], file[2]) if file else (text, None)
        return _load_file(Path(path), int(bits) if bits else None)
    match = _DERIVED_NAME.fullmatch(text) or _REFERENCE.fullmatch(text)
    own = user_names()
    if match:
        bits = int(match[2]) if match[2] else None
        if match[1] in names():
            return _load_shipped(match[1], bits)
        folder = user_folder("formats")
        if match[1] in own and folder:
            return _load_file(folder / f"{match[1]}.yaml", bits)
    raise _unknown(text, (*names(), *own))


def _unknown(text: str, known: tuple[str, ...]) -> FormatError:
    """The error for a name that is not ``known``, with the nearest one or the file meant."""
    nearest = difflib.get_close_matches(text[:60].lower(), known, n=1, cutoff=0.4)
    if len(text) <= 60 and Path(f"{text}.yaml").is_file():
        nearest = [f"{text}.yaml"]
    table = re.fullmatch(r"(\w{1,60})_lut(\d+)", text)  # a name of a table, from a record
    if table and Path(f"{table[1]}.yaml").is_file():
        nearest = [f"{table[1]}.yaml@{table[2]}"]
    if "," in text.strip(", "):
        nearest = [" ".join(text[:60].replace(",", " ").split())]
    hint = f"did you mean {nearest[0]}? " if nearest else ""
    return FormatError(
        f"Unknown format {text[:60]!r}; {hint}known: {', '.join(known)}; "
        "sf4@6 for another table width; or the path of a .yaml file"
    )


def _load_file(path: Path, lut_bits: int | None) -> Format:
    """A user's format; FormatError if it has the name of a shipped one and is another."""
    fmt = parse_file(path, lut_bits=lut_bits)
    match = _DERIVED_NAME.fullmatch(fmt.name)
    shipped = match[1] if match and match[1] in names() else fmt.name
    if shipped in names() and fmt != load(fmt.name):
        raise FormatError(
            f"{path}: {fmt.name} is the name of a shipped format: give yours another name"
        )
    return fmt
