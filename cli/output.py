"""Print tables or JSON on standard output, and progress on standard error."""

import shutil
import sys
import textwrap
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager

from rich.console import Console, ConsoleDimensions
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bar
from rich.table import Table

from halfbyte.base import JsonObject, Progress, Record, json_text

__all__ = [
    "console",
    "number",
    "print_json",
    "progress",
    "rate_progress",
    "say",
    "show_all_columns",
    "show_not_measured",
    "table",
    "versions_text",
]


class _Output(Console):
    """Standard output, as wide as the variable COLUMNS says.

    Without this variable it is as wide as the terminal, and in a pipe 80 columns wide.
    """

    @property  # type: ignore[misc]
    def size(self) -> ConsoleDimensions:
        return ConsoleDimensions(*shutil.get_terminal_size((80, 24)))


console = _Output()
_wide = Console(width=10_000)
_is_wide = False
_status = Console(stderr=True)
_NARROWEST_CAPTION = 72
_SILENCE_SECONDS = 30.0  # between lines of progress in a log


def say(text: str, *, style: str | None = None, width: int | None = None) -> None:
    """Print plain text, wrapped between words only, so that paths can be copied."""
    wrap = textwrap.TextWrapper(
        width or console.width, break_long_words=False, break_on_hyphens=False
    )
    lines = "\n".join(wrap.fill(line) for line in text.split("\n"))
    console.print(lines, style=style, markup=False, highlight=False, soft_wrap=True)


def print_json(records: Sequence[Record | JsonObject]) -> None:
    """Print a list of records, indented, on standard output."""
    listed = [each.as_json() if isinstance(each, Record) else each for each in records]
    sys.stdout.write(json_text(listed, indent=2) + "\n")


def number(value: float | None, digits: int = 0) -> str:
    """A number as text for a table; a dash for None."""
    return "-" if value is None else f"{value:,.{digits}f}"


def versions_text(versions: Mapping[str, str | None]) -> str:
    """Names with their versions, for a caption."""
    return ", ".join(f"{name} {version}" for name, version in versions.items())


def show_not_measured(reasons: Iterable[str | None]) -> None:
    """Print, below a table, each reason for values that are missing in it."""
    for reason in dict.fromkeys(filter(None, reasons)):
        console.print(f"not measured: {reason}", highlight=False)


def show_all_columns(wanted: bool) -> None:
    """Set whether tables show all columns, however wide they are."""
    global _is_wide
    _is_wide = wanted


def table(
    title: str, columns: Sequence[str], rows: Sequence[Sequence[str]], caption: str = ""
) -> None:
    """Print a table. Columns whose names start with ``>`` or ``~>`` are right-aligned.

    If the terminal is too narrow, columns whose names start with ``~`` are left out, the last one
    first. If that is not enough, other columns are left out in the same order, except the first and
    the last of them. The caption says how to see all columns.
    """
    shown = list(range(len(columns))) if _is_wide else _fitting(columns, rows)
    hidden = len(columns) - len(shown)
    notes = [caption, f"{hidden} more column{'s' * (hidden > 1)} with --wide" if hidden else ""]
    drawn = Table(title=title, title_justify="left")
    for index in shown:
        name = columns[index].lstrip("~")
        drawn.add_column(
            name.removeprefix(">"), justify="right" if name.startswith(">") else "left"
        )
    for row in rows:
        # A name such as `halfbyte[tasks]` is text, not an instruction to rich.
        drawn.add_row(*(escape(row[index]) for index in shown))
    (_wide if _is_wide else console).print(drawn)
    # A caption as narrow as a narrow table would be hard to read.
    width = max(_NARROWEST_CAPTION, console.measure(drawn).maximum)
    for note in filter(None, notes):
        say(note, style="table.caption", width=min(width, console.width))


def _fitting(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> list[int]:
    """The indices of the columns that fit the terminal."""
    shown = list(range(len(columns)))
    widths = [
        max(len(line) for cell in (name.lstrip("~>"), *(row[index] for row in rows))
            for line in cell.split("\n"))
        for index, name in enumerate(columns)
    ]  # fmt: skip
    marked = [index for index in reversed(shown) if columns[index].startswith("~")]
    others = [index for index in shown if index not in marked][1:-1]
    for index in (*marked, *reversed(others)):
        if sum(widths[each] + 3 for each in shown) < console.width:
            break
        shown.remove(index)
    return shown


@contextmanager
def progress(what: str) -> Iterator[Progress]:
    """A progress bar on standard error. It vanishes when the work is done.

    If standard error is not a terminal but, say, a log file, a line is printed every half minute
    instead. Yields ``update(done, total, label)``.
    """
    if not _status.is_terminal:
        yield _Lines(what).update
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.fields[left]}"),
        TextColumn("{task.fields[label]}"),
    )
    with Bar(*columns, console=_status, transient=True) as bar:
        task, pace = bar.add_task(what, total=None, label="", left=""), _Pace()

        def update(done: int, total: int, label: str = "") -> None:
            bar.update(task, completed=done, total=total, label=label, left=pace.left(done, total))

        yield update


class _Pace:
    """The speed of the work since the first update. Steps done before that update do not count."""

    def __init__(self) -> None:
        self._first: tuple[int, float] | None = None

    def rate(self, done: int) -> float | None:
        """Steps a second; None until a step is done after the first update."""
        now = time.monotonic()
        if self._first is None:
            self._first = done, now
        steps, seconds = done - self._first[0], now - self._first[1]
        return steps / seconds if steps > 0 and seconds > 0 else None

    def left(self, done: int, total: int) -> str:
        """The time left, such as ``0:12:30 left``; empty while the speed is not known."""
        rate = self.rate(done)
        if rate is None:
            return ""
        remaining = round((total - done) / rate)
        return f"{remaining // 3600}:{remaining // 60 % 60:02}:{remaining % 60:02} left"


class _Lines:
    """A line of progress every half minute, on standard error."""

    def __init__(self, what: str) -> None:
        self._what, self._pace, self._said = what, _Pace(), time.monotonic()

    def update(self, done: int, total: int, label: str = "") -> None:
        """Print a line of progress, if the last one was long ago."""
        left = self._pace.left(done, total)
        if time.monotonic() - self._said >= _SILENCE_SECONDS:
            self._said = time.monotonic()
            parts = filter(None, (f"{self._what}: {done} of {total}", left, label))
            print(*parts, sep=", ", file=sys.stderr, flush=True)


@contextmanager
def rate_progress(what: str, unit: str) -> Iterator[Progress]:
    """A progress bar like that of :func:`progress`, with the rate in ``unit`` per second."""
    pace = _Pace()
    with progress(what) as update:

        def with_rate(done: int, total: int, label: str = "") -> None:
            rate = pace.rate(done)
            shown = f"{rate:.1f} {unit}/s" if rate else ""
            update(done, total, ", ".join(filter(None, (shown, label))))

        yield with_rate
