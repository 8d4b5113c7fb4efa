"""Options of the commands that draw: how pictures look, and in which folder they are written."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from halfbyte.base import build_dir, content_key
from halfbyte.base.look import Look, parse_width

__all__ = ["PictureOptions", "folder_of_run"]

_MOST_LETTERS = 80  # of a folder's name

PictureWidth = Annotated[
    str | None,
    typer.Option(
        "--width",
        metavar="column|page|MM",
        help="Width of the pictures: a paper's column (88 mm), its page (180 mm), or millimetres.",
        show_default=False,
    ),
]
Annotate = Annotated[
    bool,
    typer.Option(
        "--annotate",
        help="Draw title and footnote in the pictures; a .txt file beside each picture always has "
        "them.",
    ),
]
Transparent = Annotated[
    bool, typer.Option("--transparent", help="Draw pictures without a white background.")
]


@dataclass(frozen=True)
class PictureOptions:
    """Options of commands that draw: how their pictures look."""

    width: PictureWidth = None
    annotate: Annotate = False
    transparent: Transparent = False

    def look(self) -> Look:
        """The look that the command line asks for. Raises UserError for an impossible width."""
        width = parse_width(self.width) if self.width else None
        return Look(width, self.annotate, self.transparent)


def folder_of_run(command: str, *names: str, **options: object) -> Path:
    """A folder in ``build/COMMAND`` whose name lists the inputs of the run.

    So runs with different inputs are usually written to different folders. ``names`` are words such
    as a model or a technology. ``options`` are options of the command line; those that
    are None, False or empty are left out of the name. If nothing is left, the folder is
    ``build/COMMAND`` itself.
    """
    words = [Path(name).name for name in names]
    for name, value in options.items():
        if value is None or value is False or value in ("", [], ()):
            continue
        listed = value if isinstance(value, list | tuple) else [] if value is True else [value]
        texts = [Path(each).stem if _is_path(each) else each for each in map(str, listed)]
        words.append("_".join([*([] if name == "formats" else [name]), *texts]))
    text = "-".join(_plain(word) for word in words if word)
    if len(text) > _MOST_LETTERS:
        text = f"{text[:_MOST_LETTERS]}-{content_key(words)[:8]}"
    return build_dir() / command / text


def _is_path(text: str) -> bool:
    return "/" in text or text.endswith((".yaml", ".yml", ".txt", ".lib", ".gz"))


def _plain(word: str) -> str:
    """The word, with ``_`` for all characters but letters, digits, and those in ``-._@+``."""
    return "".join(letter if letter.isalnum() or letter in "-._@+" else "_" for letter in word)
