"""Make two pages of the documentation from the code: the commands, and the fields of records."""

from typing import Any

from typer import Context
from typer.main import get_command

from halfbyte.cli.app import app

__all__ = ["commands_page", "records_page"]

_HEAD = """# Command line

Most commands print a table on standard output, or with `--json` a list of records. The exit status
is 0 only on success. Progress and messages go to standard error. `halfbyte COMMAND --help` prints
what this page says about one command. `make COMMAND NAME=value` calls some of the commands; the
head of the `Makefile` lists these commands and the variables that they use.
"""


def commands_page() -> str:
    """Markdown: what each command does, how it is called, and its arguments and options."""
    group: Any = get_command(app)
    return "\n".join([_HEAD, *_sections(group, "halfbyte", 2)])


def _sections(group: Any, path: str, level: int) -> list[str]:
    """The lines on all commands of a group, with headings of ``level``, or deeper in subgroups."""
    context = Context(group, info_name=path)
    lines: list[str] = []
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        if command is None or command.hidden:
            continue
        lines += _command(command, f"{path} {name}", level)
        if hasattr(command, "list_commands"):
            lines += _sections(command, f"{path} {name}", level + 1)
    return lines


def _command(command: Any, path: str, level: int) -> list[str]:
    """The lines on one command: its help, its usage, and tables of its parameters."""
    usage = " ".join([path, *command.collect_usage_pieces(Context(command, info_name=path))])
    lines = [f"{'#' * level} {path}", "", _text(command.help), "", f"    {usage}", ""]
    panels: dict[str, list[str]] = {"": []}
    for each in command.params:
        if not getattr(each, "hidden", False):
            panel = getattr(each, "rich_help_panel", None) or ""
            panels.setdefault(panel, []).append(_row(each))
    for panel, rows in panels.items():
        lines += [f"**{panel}**", ""] if panel else []
        lines += ["| | what | default |", "|---|---|---|", *rows, ""] if rows else []
    return lines


def _row(parameter: Any) -> str:
    """The row of a parameter: its names, its help, and its default."""
    names = [*parameter.opts, *parameter.secondary_opts]
    shown = ", ".join(f"`{name}`" for name in names)
    if not names[0].startswith("-"):
        shown = f"`{parameter.metavar or names[0].upper()}`"
    default = parameter.default
    if default in (None, False, (), []) or callable(default):
        default = ""
    elif default is True:
        default = parameter.opts[0]
    in_words = getattr(parameter, "show_default", None)
    if isinstance(in_words, str):
        return f"| {shown} | {_text(parameter.help)} | {_text(in_words)} |"
    return f"| {shown} | {_text(parameter.help)} | {f'`{default}`' if default != '' else ''} |"


def _text(text: str | None) -> str:
    """A text in one line, as a cell of a Markdown table."""
    return " ".join((text or "").split()).replace("|", "\\|")


_RECORDS_HEAD = """# Records

Every measurement is a record: one JSON object that repeats its inputs. `--json` prints a list of
records. Unknown values are null. `halfbyte schema NAME` prints the JSON Schema of a record.
"""


def records_page() -> str:
    """Markdown: the purpose of each record, and its fields with their meanings and units."""
    from halfbyte.base.record import field_docs
    from halfbyte.cli.schema import record_types

    lines = [_RECORDS_HEAD]
    for name, kind in record_types().items():
        properties = kind.schema()["properties"]
        assert isinstance(properties, dict)  # noqa: S101
        texts = field_docs(kind)
        rows = [
            f"| `{field}` | {_text(texts.get(field) or texts.get(f'{field}_'))} |"
            for field in properties
        ]
        what = _text(str(kind.schema()["description"]))
        lines += [f"## {name}", "", what, "", "| field | meaning |", "|---|---|", *rows, ""]
    return "\n".join(lines)
