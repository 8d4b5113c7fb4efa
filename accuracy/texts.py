"""Texts to embed: docstrings of the Python standard library, read from its source."""

import ast
import hashlib
import sysconfig
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path

from halfbyte.base import UserError

__all__ = ["digest", "docstrings"]

# Long-lived modules from every corner of the library. Their docstrings vary a little between
# versions of Python, so results name the version and the digest of the texts.
MODULES = """
argparse ast asyncio/queues bisect calendar cmd codecs collections/__init__ configparser
contextlib copy csv datetime decimal difflib email/message enum fractions ftplib functools
gettext gzip heapq html/parser http/client inspect ipaddress json/__init__ locale
logging/__init__ mailbox operator os pathlib pickle platform pprint queue random sched
shelve shutil smtplib socket statistics string subprocess tarfile tempfile textwrap
threading timeit tokenize types typing unittest/case urllib/parse uuid wave weakref
xml/dom/minidom zipfile
""".split()  # noqa: SIM905 (62 names read better as text)
# Many short texts rather than few long ones: time goes with the letters, but the certainty of a
# correlation over pairs of texts with the number of texts.
SHORTEST, LONGEST = 40, 160
PER_MODULE = 10


def _module_file(module: str) -> Path:
    stdlib = Path(sysconfig.get_path("stdlib"))
    for path in (stdlib / f"{module}.py", stdlib / module / "__init__.py"):
        if path.is_file():
            return path
    raise UserError(
        f"The source of the standard library's {module} is not in {stdlib}: use a full "
        "installation of Python"
    )


def _docstrings_of(path: Path) -> Iterator[str]:
    """Cleaned docstrings: the module's, then those of its classes and functions, outer ones first.

    The source is parsed, not run: Python may drop docstrings at run time (``-OO``).
    """
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            text = ast.get_docstring(node)
            if text:
                yield text


@cache
def docstrings() -> tuple[str, ...]:
    """The texts: at most ten a module, of 40 to 160 characters, each once.

    Raises UserError if the standard library is installed without its source.
    """
    texts: dict[str, None] = {}
    for module in MODULES:
        fitting = (
            text
            for text in _docstrings_of(_module_file(module))
            if SHORTEST <= len(text) <= LONGEST
        )
        for text, _ in zip(fitting, range(PER_MODULE), strict=False):
            texts[text] = None
    return tuple(texts)


def digest(texts: Sequence[str]) -> str:
    """SHA-256 (hex) of the texts."""
    return hashlib.sha256("\0".join(texts).encode()).hexdigest()
