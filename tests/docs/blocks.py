"""Reads the code blocks of the README and the documentation, for tests that run them."""

import re
import shlex
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted([ROOT / "README.md", *(ROOT / "docs").rglob("*.md")])
_FENCE = re.compile(
    r'^( *)```(?P<kind>[a-z]+)(?: title="(?P<title>[^"]+)")?\n(?P<text>.*?)^\1```', re.M | re.S
)


@dataclass(frozen=True)
class Block:
    """A fenced block: its language, its title (the name of the file it shows, if any), its text."""

    kind: str
    title: str | None
    text: str


def blocks(page):
    """The fenced blocks of a page, in order."""
    return [
        Block(found["kind"], found["title"], found["text"])
        for found in _FENCE.finditer(page.read_text(encoding="utf-8"))
    ]


def commands(block):
    """The commands in a ``console`` block (lines after ``$``) or in an ``sh`` block, as words."""
    text = block.text.replace("\\\n", " ")
    lines = [line.strip() for line in text.splitlines()]
    if block.kind == "console":
        lines = [line.removeprefix("$ ") for line in lines if line.startswith("$ ")]
    return [words for line in lines if (words := shlex.split(line, comments=True))]
