"""What commands print: tables or JSON on standard output, progress on standard error."""

import json
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

__all__ = ["console", "number", "print_json", "progress", "rate_progress", "table"]

# Without a terminal (a pipe, a log) there is no width to fit: let tables keep their lines.
console = Console(width=None if sys.stdout.isatty() else 140)
_status = Console(stderr=True)


def print_json(records: Sequence[Mapping[str, Any]]) -> None:
    """Print a list of records, indented, on standard output."""
    json.dump(list(records), sys.stdout, indent=2)
    sys.stdout.write("\n")


def number(value: float | None, digits: int = 0) -> str:
    """A figure for a table; a dash for what is not known."""
    return "-" if value is None else f"{value:,.{digits}f}"


def table(
    title: str, columns: Sequence[str], rows: Sequence[Sequence[str]], caption: str = ""
) -> None:
    """Print a table; columns that start with ``>`` are right-aligned."""
    drawn = Table(
        title=title, caption=caption or None, title_justify="left", caption_justify="left"
    )
    for column in columns:
        drawn.add_column(
            column.removeprefix(">"), justify="right" if column.startswith(">") else "left"
        )
    for row in rows:
        # A name such as `halfbyte[tasks]` is text, not an instruction to rich.
        drawn.add_row(*(escape(cell) for cell in row))
    console.print(drawn)


@contextmanager
def progress(what: str) -> Iterator[Callable[[int, int, str], None]]:
    """A progress bar on standard error, gone when the work is done; none without a terminal.

    Yields ``update(done, total, label)``.
    """
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.fields[label]}"),
    )
    with Progress(
        *columns, console=_status, transient=True, disable=not _status.is_terminal
    ) as bar:
        task = bar.add_task(what, total=None, label="")

        def update(done: int, total: int, label: str = "") -> None:
            bar.update(task, completed=done, total=total, label=label)

        yield update


@contextmanager
def rate_progress(what: str, unit: str) -> Iterator[Callable[[int, int, str], None]]:
    """As :func:`progress`, with the rate in ``unit`` a second and the time left.

    What the first update reports as done was done before: the rate leaves it out.
    """
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"),
        TextColumn("{task.fields[label]}"),
    )
    first: list[tuple[int, float]] = []
    with Progress(
        *columns, console=_status, transient=True, disable=not _status.is_terminal
    ) as bar:
        task = bar.add_task(what, total=None, label="", rate="")

        def update(done: int, total: int, label: str = "") -> None:
            first.append((done, time.monotonic()))
            del first[1:]
            rate = _rate(done - first[0][0], time.monotonic() - first[0][1], total - done, unit)
            bar.update(task, completed=done, total=total, label=label, rate=rate)

        yield update


def _rate(done: int, seconds: float, left: int, unit: str) -> str:
    """``2.6 designs/s, 0:12:30 left``; nothing before there is anything to go by."""
    if not done or seconds <= 0:
        return ""
    remaining = round(left * seconds / done)
    minutes, hours = remaining // 60 % 60, remaining // 3600
    return f"{done / seconds:.1f} {unit}/s, {hours}:{minutes:02}:{remaining % 60:02} left"
