"""The text that bytelm, a small language model that reads bytes, is trained and evaluated on.

It is the source of the CPython standard library. Some modules are held out for the evaluation.
"""

import hashlib
import sysconfig
from dataclasses import dataclass
from pathlib import Path

from halfbyte.base import UserError

__all__ = [
    "HELD_OUT",
    "SEPARATOR",
    "Corpus",
    "calibration_text",
    "held_out_text",
    "read_corpus",
]

SEPARATOR = b"\0"  # before every file of a text
# bytelm is not trained on these modules or their tests.
HELD_OUT = """
argparse bisect calendar configparser contextlib csv difflib ftplib gettext graphlib hmac
ipaddress locale mailbox netrc operator pprint queue reprlib sched selectors shelve shlex
statistics stringprep textwrap timeit tokenize uuid zipapp
""".split()  # noqa: SIM905
CALIBRATION = "ast copy decimal enum inspect subprocess".split()  # noqa: SIM905
EVALUATED = 3000  # the most bytes of a held-out module that are evaluated
# Folders of tables that programs generated.
_TABLES = {"encodings", "pydoc_data", "unicodedata_db"}
_LARGEST = 400_000  # bytes; longer files are regarded as generated tables


@dataclass(frozen=True)
class Corpus:
    """The bytes of many files, each after a separator, and the number of files."""

    data: bytes
    files: int

    @property
    def sha256(self) -> str:
        """Digest of the bytes (hex)."""
        return hashlib.sha256(self.data).hexdigest()


def _stdlib() -> Path:
    """The folder of the standard library. Raises UserError if it has no source files."""
    folder = Path(sysconfig.get_path("stdlib"))
    if not (folder / "argparse.py").is_file():
        raise UserError(
            f"The source of the standard library is not in {folder}: use a full installation of "
            "Python"
        )
    return folder


def _is_held_out(path: Path) -> bool:
    """Whether the file is a held-out module, one of its parts or one of its tests."""
    names = {part.removesuffix(".py").removeprefix("test_") for part in path.parts}
    return not names.isdisjoint(HELD_OUT)


def _is_text(path: Path, folder: Path) -> bool:
    """Whether the file belongs to the library below ``folder`` and is not a generated table."""
    parts = path.relative_to(folder).parts
    return (
        "site-packages" not in parts
        and _TABLES.isdisjoint(parts)
        and path.stat().st_size <= _LARGEST
    )


def _joined(paths: list[Path]) -> Corpus:
    """The contents of the files, each after a separator."""
    return Corpus(b"".join(SEPARATOR + path.read_bytes() for path in paths), len(paths))


def read_corpus() -> Corpus:
    """All training text: the library's Python files, sorted by path.

    Held-out modules and generated tables are left out.

    Raises UserError if Python is installed without its source.
    """
    folder = _stdlib()
    paths = sorted(path for path in folder.rglob("*.py") if _is_text(path, folder))
    return _joined([path for path in paths if not _is_held_out(path.relative_to(folder))])


def held_out_text() -> Corpus:
    """The beginnings of the held-out modules, on which bytelm is evaluated.

    Raises UserError if Python is installed without its source.
    """
    return _beginnings(HELD_OUT, EVALUATED)


def calibration_text() -> Corpus:
    """The beginnings of some modules that bytelm was trained on.

    Raises UserError if Python is installed without its source.
    """
    return _beginnings(CALIBRATION, EVALUATED // 2)


def _beginnings(modules: list[str], limit: int) -> Corpus:
    """The beginning of each module that this Python has: at most ``limit`` bytes."""
    paths = [_stdlib() / f"{name}.py" for name in modules]
    texts = [path.read_bytes()[:limit] for path in paths if path.is_file()]
    return Corpus(b"".join(SEPARATOR + text for text in texts), len(texts))
