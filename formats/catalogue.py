"""Find a format by its name or by the path of its file.

A name belongs to a shipped format or to a file in the user's own folder. ``NAME@BITS`` and
``PATH.yaml@BITS`` round the format's values to BITS bits.
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
    """Names of the ``.yaml`` files in the user's folder of formats, except shipped names."""
    folder = user_folder("formats")
    found = sorted(path.stem for path in folder.glob("*.yaml")) if folder else []
    return tuple(name for name in found if name not in names())


def bundled() -> tuple[Format, ...]:
    """All shipped formats, in the order of :func:`names`."""
    return tuple(load(name) for name in names())


@cache
def _load_shipped(name: str, lut_bits: int | None) -> Format:
    """A shipped format; with ``lut_bits``, its values are rounded to this many bits."""
    text = read_text(LIBRARY / f"{name}.yaml", "A format file")
    try:
        return parse_text(text, lut_bits=lut_bits)
    except FormatError as error:  # shipped files are valid, so the user's width is wrong
        raise FormatError(f"{name}@{lut_bits}: {error}") from error


def load(reference: str | Path) -> Format:
    """The format that ``reference`` names.

    Parameters
    ----------
    reference : str or Path
        A shipped name (``e2m1_sp``), the name of a file in the user's folder of formats, or a path
        that ends in ``.yaml`` or ``.yml``. With ``@BITS`` at its end, the values are rounded to
        BITS bits: ``sf4@6`` is a format with the name ``sf4_lut6``. This name is also accepted.

    Raises
    ------
    FormatError
        The name is unknown, the file does not describe a valid format, or the format in the file
        has the name of a shipped format but differs from it. For an unknown name, the message lists
        all names, and suggests a similar one if there is one.
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
        for name, width in ((text, None), (match[1], bits)):
            if name in own and folder:
                return _load_file(folder / f"{name}.yaml", width)
    raise _unknown(text, (*names(), *own))


def _unknown(text: str, known: tuple[str, ...]) -> FormatError:
    """The error for an unknown name; it may suggest a similar name, or the file that is meant."""
    nearest = difflib.get_close_matches(text[:60].lower(), known, n=1, cutoff=0.4)
    if len(text) <= 60 and Path(f"{text}.yaml").is_file():
        nearest = [f"{text}.yaml"]
    table = re.fullmatch(r"(\w{1,60})_lut(\d+)", text)  # a rounded format, as records name it
    if table and Path(f"{table[1]}.yaml").is_file():
        nearest = [f"{table[1]}.yaml@{table[2]}"]
    if "," in text.strip(", "):
        nearest = [" ".join(text[:60].replace(",", " ").split())]
    hint = f"did you mean {nearest[0]}? " if nearest else ""
    return FormatError(
        f"Unknown format {text[:60]!r}; {hint}known: {', '.join(known)}; "
        "NAME@6 rounds a format to 6 bits; the path of a .yaml file may be given too"
    )


def _load_file(path: Path, lut_bits: int | None) -> Format:
    """A user's format. Raises FormatError if it has a shipped format's name but differs from it."""
    fmt = parse_file(path, lut_bits=lut_bits)
    match = _DERIVED_NAME.fullmatch(fmt.name)
    shipped = match[1] if match and match[1] in names() else fmt.name
    if shipped in names() and fmt != load(fmt.name):
        raise FormatError(
            f"{path}: {fmt.name} is the name of a shipped format, from which this file differs: "
            "give yours another name"
        )
    return fmt
