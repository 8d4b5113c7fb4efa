"""Reads Liberty, the file format of standard-cell libraries, as a tree of groups."""

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from halfbyte.area.cells.packed_file import read_packed
from halfbyte.base import UserError

__all__ = ["CELL", "Group", "parse_liberty", "read_liberty"]

# The deepest nesting of groups that is read.
MAX_DEPTH = 100
CELL = "cell"
_INCLUDE = "include_file"
# If a line ends with one of these, its expression continues on the next line.
_OPERATORS = ("&", "*", "|", "+", "^", "!", "-", "/", "(", ",")
# A backslash at the end of a line inside quotes: the text continues on the next line.
_CONTINUED = re.compile(r"\\[ \t]*\r?\n[ \t]*")
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)
_TOKEN = re.compile(
    r"""(?P<skip>(?:[\s\\]+|/\*.*?\*/|//[^\n]*)+)
      |"(?P<quoted>(?:[^"\\]|\\.)*)"
      |(?P<mark>[{}();:,])
      |(?P<word>(?:[^\s"{}();:,\\/]|/(?![*/])|\\(?!\s))+)""",
    re.VERBOSE | re.DOTALL,
)


@dataclass
class Group:
    """A group of a Liberty file, ``name (arguments) { attributes and groups }``.

    ``attributes`` holds simple attributes (``name : value;``) as text, and complex attributes
    (``name (value, value);``) as lists of text. If an attribute is repeated, the last one is kept.
    ``groups`` are in the order of the file. ``damage`` says why the text of a cell could not be
    read to its end; the group then holds the part before the damage. For other groups it is empty.
    """

    name: str
    arguments: list[str] = field(default_factory=list)
    attributes: dict[str, str | list[str]] = field(default_factory=dict)
    groups: list["Group"] = field(default_factory=list)
    damage: str = ""

    def all(self, name: str) -> Iterator["Group"]:
        """The groups called ``name``."""
        return (group for group in self.groups if group.name == name)

    def text(self, name: str, default: str = "") -> str:
        """An attribute as text, or ``default`` if it is missing.

        Spaces join the values of a complex attribute.
        """
        value = self.attributes.get(name, default)
        return value if isinstance(value, str) else " ".join(value)

    def number(self, name: str, default: float | None = None) -> float | None:
        """An attribute as a number, or ``default`` if it is missing.

        Raises UserError if it is not a finite number.
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
    """A parser with one token of look-ahead; a stack holds the groups that are still open."""

    def __init__(self, text: str, origin: str) -> None:
        self.text, self.origin = text, origin
        self.start = self.end = 0
        self.kind, self.token = "", ""
        self.new_line = False  # whether there is a line break just before the token
        self.advance()

    def place(self) -> str:
        """The origin of the text, and the line of the current token."""
        line = self.text.count("\n", 0, self.start) + 1
        return f"{self.origin}, line {line}"

    def error(self, wanted: str) -> UserError:
        came = repr(self.token[:40]) if self.kind else "the end of the file"
        return UserError(
            f"{self.place()}: expected {wanted}, not {came}; "
            "the file is not a valid and complete Liberty library"
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
                if self.kind == "quoted" and "\\" in self.token:
                    self.token = _ESCAPED.sub(r"\1", _CONTINUED.sub(" ", self.token))
                return
            self.new_line |= "\n" in match["skip"]

    def is_mark(self, mark: str) -> bool:
        return self.kind == "mark" and self.token == mark

    def expect(self, mark: str) -> None:
        if not self.is_mark(mark):
            raise self.error(f"'{mark}'")
        self.advance()

    def take_value(self) -> str:
        """The name or value at the current token; moves to the next token."""
        if self.kind not in ("word", "quoted"):
            raise self.error("a name or a value")
        value = self.token
        self.advance()
        return value

    def arguments(self) -> list[str]:
        """Read names and values in round brackets."""
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
        """Read the single top group of a Liberty file."""
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
        """Read statements up to the closing brace of ``root``; skip the rest of a damaged cell."""
        stack = [root]
        while stack:
            try:
                self.step(stack)
            except UserError as error:
                if len(stack) < 2 or stack[1].name != CELL or not self.skip_groups(len(stack) - 1):
                    raise
                stack[1].damage = str(error)
                del stack[1:]

    def step(self, stack: list[Group]) -> None:
        """Read one statement of the innermost group, or the brace that ends this group."""
        if self.is_mark("}"):
            stack.pop()
            self.advance()
        elif self.is_mark(";"):
            self.advance()
        else:
            self.statement(stack)
        if len(stack) > MAX_DEPTH:
            raise self.error(f"'}}' after {MAX_DEPTH} nested groups")

    def skip_groups(self, depth: int) -> bool:
        """Move past the closing braces of ``depth`` groups; False if the file ends first."""
        self.end = self.start
        while depth and self.end < len(self.text):
            match = _TOKEN.match(self.text, self.end)
            mark = match["mark"] if match else ""
            depth += {"{": 1, "}": -1}.get(mark or "", 0)
            self.end = match.end() if match else self.end + 1
        if depth:
            return False
        self.advance()
        return True

    def statement(self, stack: list[Group]) -> None:
        """Read an attribute of the innermost group, or the head of a new innermost group."""
        name = self.take_value()
        if self.is_mark(":"):
            self.advance()
            stack[-1].attributes[name] = self.simple_value()
            return
        arguments = self.arguments()
        if not self.is_mark("{"):
            if name == _INCLUDE:
                raise UserError(
                    f"{self.place()}: {' '.join(arguments)[:80]} is included, but it is not read; "
                    "put its text in place of this statement"
                )
            stack[-1].attributes[name] = arguments
            return
        child = Group(name, arguments)
        stack[-1].groups.append(child)
        stack.append(child)
        self.advance()

    def simple_value(self) -> str:
        """One quoted value, or the words of an expression such as ``VDD + 0.5`` or ``(A & !B)``.

        An expression ends before the ``;``. If the ``;`` is missing, it ends with the line, unless
        a bracket is open or the line ends with an operator.
        """
        if self.kind == "quoted":
            return self.take_value()
        parts: list[str] = []
        depth = 0
        while self.is_mark("(") or self.is_mark(")") or self.kind == "word":
            if self.new_line and parts and not depth and not parts[-1].endswith(_OPERATORS):
                break
            if self.is_mark(")") and not depth:
                raise self.error("';' or an earlier '('" if parts else "a value")
            depth += {"(": 1, ")": -1}.get(self.token, 0)
            parts.append(self.token)
            self.advance()
        if not parts or depth:
            raise self.error("')'" if depth else "a value")
        return " ".join(parts)


def parse_liberty(text: str, origin: str = "text") -> Group:
    """The ``library`` group of Liberty ``text``; errors name ``origin`` and the line.

    Raises UserError unless the text is one complete library. A damaged cell raises no error if its
    end can be found; :attr:`Group.damage` then says what is wrong.
    """
    return _Reader(text, origin).library()


def read_liberty(path: Path) -> Group:
    """Read a Liberty file, plain or compressed.

    Raises UserError if it is unreadable or malformed.
    """
    raw = read_packed(path, "Liberty file", "give the path of a .lib or .lib.gz")
    return parse_liberty(_decoded(raw), str(path))


def _decoded(raw: bytes) -> str:
    """The text without a byte order mark.

    Malformed bytes are replaced, since they usually occur only in comments.
    """
    if raw[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return raw.decode("utf-16", errors="replace")
    return raw.decode("utf-8-sig", errors="replace")
