"""Reading Liberty, the format of standard-cell libraries: any file as a tree of groups."""

import math
import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from halfbyte.base import UserError

__all__ = ["Group", "parse_liberty", "read_liberty"]

MAX_BYTES = 512 * 2**20
MAX_DEPTH = 100
_TOKEN = re.compile(
    r"""(?P<skip>(?:[\s\\]+|/\*.*?\*/|//[^\n]*)+)
      |"(?P<quoted>(?:[^"\\]|\\.)*)"
      |(?P<mark>[{}();:,])
      |(?P<word>(?:[^\s"{}();:,\\/]|/(?![*/]))+)""",
    re.VERBOSE | re.DOTALL,
)


@dataclass
class Group:
    """``name (arguments) { attributes and groups }``.

    ``attributes`` holds simple attributes as text and complex ones as lists of text; where one
    stands several times the last counts. Groups keep their order.
    """

    name: str
    arguments: list[str] = field(default_factory=list)
    attributes: dict[str, str | list[str]] = field(default_factory=dict)
    groups: list["Group"] = field(default_factory=list)

    def all(self, name: str) -> Iterator["Group"]:
        """The groups called ``name``."""
        return (group for group in self.groups if group.name == name)

    def text(self, name: str, default: str = "") -> str:
        """A simple attribute."""
        value = self.attributes.get(name, default)
        return value if isinstance(value, str) else " ".join(value)

    def number(self, name: str, default: float | None = None) -> float | None:
        """A simple attribute as a number, or ``default`` where it is missing.

        Raises UserError if it is no finite number.
        """
        if name not in self.attributes:
            return default
        try:
            value = float(self.text(name))
        except ValueError:
            value = math.nan
        if not math.isfinite(value):
            raise UserError(f"{name} must be a finite number, not {self.text(name)[:40]!r}")
        return value


class _Reader:
    """One token ahead; groups that are open stand on a stack."""

    def __init__(self, text: str, origin: str) -> None:
        self.text, self.origin = text, origin
        self.start = self.end = 0
        self.kind, self.token = "", ""
        self.new_line = False  # whether the token begins a line
        self.advance()

    def error(self, wanted: str) -> UserError:
        line = self.text.count("\n", 0, self.start) + 1
        came = repr(self.token[:40]) if self.kind else "the end of the file"
        return UserError(
            f"{self.origin}, line {line}: {wanted} expected, not {came}: "
            "not a Liberty library, or not a whole one"
        )

    def advance(self) -> None:
        """Move to the next token; ``kind`` is empty at the end."""
        self.new_line = False
        while True:
            self.start = self.end
            match = _TOKEN.match(self.text, self.start)
            if match is None:
                self.kind, self.token = "", ""
                if self.start < len(self.text):
                    self.kind, self.token = "mark", self.text[self.start]
                    raise self.error("a name, a value or a bracket")
                return
            self.end = match.end()
            if match.lastgroup != "skip":
                self.kind = str(match.lastgroup)
                self.token = match[self.kind]
                return
            self.new_line |= "\n" in match["skip"]

    def is_mark(self, mark: str) -> bool:
        return self.kind == "mark" and self.token == mark

    def expect(self, mark: str) -> None:
        if not self.is_mark(mark):
            raise self.error(f"'{mark}'")
        self.advance()

    def take_value(self) -> str:
        if self.kind not in ("word", "quoted"):
            raise self.error("a name or a value")
        value = self.token
        self.advance()
        return value

    def arguments(self) -> list[str]:
        self.expect("(")
        values = []
        while not self.is_mark(")"):
            if self.is_mark(",") or self.is_mark(":"):
                self.advance()
            else:
                values.append(self.take_value())
        self.advance()
        return values

    def library(self) -> Group:
        """The one group that a Liberty file consists of."""
        if self.kind != "word" or self.token != "library":
            raise self.error("'library (NAME) {'")
        self.advance()
        root = Group("library", self.arguments())
        self.expect("{")
        self.body(root)
        if self.kind:
            raise self.error("the end of the file")
        return root

    def body(self, root: Group) -> None:
        """Statements up to the closing brace of ``root``."""
        stack = [root]
        while stack:
            if self.is_mark("}"):
                self.advance()
                stack.pop()
            elif self.is_mark(";"):
                self.advance()
            else:
                child = self.statement(stack[-1])
                if child is not None:
                    stack.append(child)
            if len(stack) > MAX_DEPTH:
                raise self.error(f"at most {MAX_DEPTH} nested groups")

    def statement(self, group: Group) -> Group | None:
        """An attribute of ``group``, or the head of a group in it, which is returned."""
        name = self.take_value()
        if self.is_mark(":"):
            self.advance()
            group.attributes[name] = self.simple_value()
            return None
        arguments = self.arguments()
        if not self.is_mark("{"):
            group.attributes[name] = arguments
            return None
        self.advance()
        child = Group(name, arguments)
        group.groups.append(child)
        return child

    def simple_value(self) -> str:
        """One value, or an expression of several words such as ``VDD + 0.5``."""
        parts = [self.take_value()]
        while self.kind == "word" and not self.new_line:
            parts.append(self.take_value())
        return " ".join(parts)


def parse_liberty(text: str, origin: str = "text") -> Group:
    """The ``library`` group of Liberty ``text``; errors name ``origin`` and the line.

    Raises UserError for anything that is not one whole library.
    """
    return _Reader(text, origin).library()


def _unzip(raw: bytes) -> bytes:
    """Decompress at most a little over the limit; a truncated stream is an EOFError."""
    stream = zlib.decompressobj(wbits=31)
    data = stream.decompress(raw, MAX_BYTES + 1)
    if not stream.eof and len(data) <= MAX_BYTES:
        raise EOFError("it ends early")
    return data


def read_liberty(path: Path) -> Group:
    """Read a Liberty file, plain or gzip; raises UserError with the remedy."""
    try:
        if path.stat().st_size > MAX_BYTES:
            raise UserError(f"Liberty file {path} has more than {MAX_BYTES} bytes")
        raw = path.read_bytes()
        if raw[:2] == b"\x1f\x8b":
            raw = _unzip(raw)
    except FileNotFoundError:
        raise UserError(
            f"Liberty file {path} does not exist: give the path of a .lib or .lib.gz"
        ) from None
    except OSError as error:
        raise UserError(f"Liberty file {path} cannot be read ({error.strerror})") from error
    except (zlib.error, EOFError) as error:
        raise UserError(f"Liberty file {path} is a damaged gzip file ({error})") from error
    if len(raw) > MAX_BYTES:
        raise UserError(f"Liberty file {path} has more than {MAX_BYTES} bytes")
    return parse_liberty(raw.decode("utf-8", errors="replace"), str(path))
