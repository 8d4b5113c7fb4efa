"""Write rows of figures as files: CSV for spreadsheets, JSON for programs."""

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path

from halfbyte.base.files import write_atomically
from halfbyte.base.strict_json import Json, json_text

__all__ = ["csv_text", "markdown_table", "write_json", "write_rows"]

Rows = Sequence[Mapping[str, Json]]


def csv_text(rows: Rows) -> str:
    """Rows as CSV, with a line of column names. Rows may have different columns."""
    text = io.StringIO()
    columns = dict.fromkeys(column for row in rows for column in row)
    writer = csv.DictWriter(text, list(columns), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def markdown_table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Rows as a Markdown table with all columns, from names as the tables of commands have them.

    Columns whose names start with ``>`` are right-aligned. A ``~`` before it is left out.
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
