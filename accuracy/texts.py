"""Texts to evaluate on: docstrings of the Python standard library, WikiText-2, or a file."""

import ast
import hashlib
import sysconfig
from collections.abc import Sequence
from functools import cache
from pathlib import Path

from halfbyte.base import UserError
from halfbyte.base.user_files import read_start

__all__ = ["digest", "docstrings", "longer_docstrings", "read_text"]

# Old modules from all parts of the library. Their docstrings differ a little between versions of
# Python, so results name the version and the digest of the texts.
MODULES = """
argparse ast asyncio/queues bisect calendar cmd codecs collections/__init__ configparser
contextlib copy csv datetime decimal difflib email/message enum fractions ftplib functools
gettext gzip heapq html/parser http/client inspect ipaddress json/__init__ locale
logging/__init__ mailbox operator os pathlib pickle platform pprint queue random sched
shelve shutil smtplib socket statistics string subprocess tarfile tempfile textwrap
threading timeit tokenize types typing unittest/case urllib/parse uuid wave weakref
xml/dom/minidom zipfile
""".split()  # noqa: SIM905 (62 names read better as text)
# Many short texts are better than a few long ones: the run time grows with the number of
# characters, but the certainty of a correlation grows with the number of texts.
SHORTEST, LONGEST = 40, 160
PER_MODULE = 10
LARGEST_FILE = 64 << 20  # bytes


def _module_file(module: str) -> Path:
    """The source file of a module of the standard library. Raises UserError if there is none."""
    stdlib = Path(sysconfig.get_path("stdlib"))
    for path in (stdlib / f"{module}.py", stdlib / module / "__init__.py"):
        if path.is_file():
            return path
    raise UserError(
        f"The source of the standard library's {module} is not in {stdlib}: use a full "
        "installation of Python"
    )


@cache
def _docstrings_of(path: Path) -> tuple[str, ...]:
    """Docstrings of a module, then of its classes and functions, outer ones first.

    They are read from the source because Python can drop docstrings at run time (``-OO``).
    """
    tree = ast.parse(path.read_text(encoding="utf-8"))
    kinds = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef
    texts = (ast.get_docstring(node) for node in ast.walk(tree) if isinstance(node, kinds))
    return tuple(text for text in texts if text)


def _collect(shortest: int, longest: int, per_module: int) -> tuple[str, ...]:
    """At most ``per_module`` docstrings of each module, each docstring once.

    They have ``shortest`` to ``longest`` characters.
    """
    texts: dict[str, None] = {}
    for module in MODULES:
        fitting = (
            text
            for text in _docstrings_of(_module_file(module))
            if shortest <= len(text) <= longest
        )
        for text, _ in zip(fitting, range(per_module), strict=False):
            texts[text] = None
    return tuple(texts)


@cache
def docstrings() -> tuple[str, ...]:
    """The texts to evaluate on: at most ten per module, of 40 to 160 characters, each once.

    Raises UserError if the standard library is installed without its source.
    """
    return _collect(SHORTEST, LONGEST, PER_MODULE)


@cache
def longer_docstrings() -> tuple[str, ...]:
    """The texts to calibrate on: at most two per module, of 161 to 640 characters.

    Raises UserError if the standard library is installed without its source.
    """
    return _collect(LONGEST + 1, 4 * LONGEST, 2)


@cache
def read_text(source: str) -> str:
    """Read the text that ``source`` names: ``docstrings``, ``wikitext2``, or a file.

    WikiText-2 is loaded with the package ``datasets``.

    Raises UserError if the text is unavailable, empty, not UTF-8, or larger than 64 MiB.
    """
    if source == "docstrings":
        return "\n\n".join(docstrings())
    if source == "wikitext2":
        return _wikitext2()
    path = Path(source)
    try:
        raw = read_start(path, LARGEST_FILE + 1)
        if len(raw) > LARGEST_FILE:
            raise UserError(
                f"A text must be at most {LARGEST_FILE >> 20} MiB, but {path} is larger: give a "
                "part of it"
            )
        text = raw.decode("utf-8").replace("\r\n", "\n").replace("\r", "\n")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(
            f"The text {source[:200]!r} cannot be read ({getattr(error, 'strerror', None) or error}"
            "); give a file, docstrings or wikitext2"
        ) from error
    if not text.strip():
        raise UserError(f"{path} holds no text")
    return text


def _wikitext2() -> str:
    """The raw test split of WikiText-2 (Merity et al., 2016), its lines joined by blank lines."""
    try:
        from datasets import load_dataset
    except ImportError:
        raise UserError("WikiText-2 needs the package 'datasets': pip install datasets") from None
    try:
        lines = load_dataset("wikitext", "wikitext-2-raw-v1", split="test")["text"]
    except Exception as error:  # many kinds, such as errors of the network or of a cache
        raise UserError(f"WikiText-2 cannot be loaded: {str(error)[:200]}") from error
    return "\n\n".join(lines)


def digest(texts: Sequence[str]) -> str:
    """SHA-256 (hex) of the texts."""
    return hashlib.sha256("\0".join(texts).encode()).hexdigest()
