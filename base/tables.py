"""Write tables as CSV for spreadsheets, JSON for programs, or Markdown for readers.

In CSV and JSON, a row maps the names of columns to values. In Markdown, it is a list of texts.
"""

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path

from halfbyte.base.files import write_atomically
from halfbyte.base.strict_json import Json, json_text

__all__ = ["csv_text", "markdown_table", "write_json", "write_rows"]

Rows = Sequence[Mapping[str, Json]]


def csv_text(rows: Rows) -> str:
    """Rows as CSV, after a line of column names. If a row lacks a column, its cell is empty."""
    text = io.StringIO()
    columns = dict.fromkeys(column for row in rows for column in row)
    writer = csv.DictWriter(text, list(columns), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def markdown_table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Rows of text as a Markdown table.

    ``columns`` are the names of the columns. As in the tables of the command line, a ``>`` at the
    start of a name aligns the column to the right. A ``~`` before it, which marks a column that a
    narrow terminal leaves out, is ignored.
    """
    names = [column.lstrip("~") for column in columns]
    titles = [" ".join(name.removeprefix(">").split()) for name in names]
    marks = ["--:" if name.startswith(">") else "---" for name in names]
    head, *body = (f"| {' | '.join(line)} |\n" for line in (titles, *rows))
    return "".join([head, f"|{'|'.join(marks)}|\n", *body])


def write_json(path: Path, value: object) -> Path:
    """Write ``value`` as indented JSON, atomically; returns ``path``."""
    write_atomically(path, json_text(value, indent=2) + "\n")
    return path


def write_rows(path: Path, rows: Rows) -> list[Path]:
    """Write rows as ``path.csv`` and ``path.json``; returns both files."""
    table = path.with_name(f"{path.name}.csv")
    write_atomically(table, csv_text(rows))
    return [table, write_json(path.with_name(f"{path.name}.json"), list(rows))]
