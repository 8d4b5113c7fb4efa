"""Every option that a text in the code names, and every file that a docstring names, must exist."""

import ast
import re
from functools import cache
from pathlib import Path

from typer.main import get_command

import halfbyte
from halfbyte.cli.app import app

ROOT = Path(halfbyte.__file__).parent.parent
# Files that docstrings name but that only exist after a command has written them.
WRITTEN = {"frontier.md"}
# Options of other programs: of pip, Verilator and Python's configure.
FOREIGN = {"--no-deps", "--binary", "--timing", "--enable-shared"}


def options(command) -> set[str]:
    """Options of a command and of all its subcommands."""
    own = {name for each in command.params for name in (*each.opts, *each.secondary_opts)}
    names = command.list_commands(None) if hasattr(command, "list_commands") else []
    return own.union({"--help"}, *(options(command.get_command(None, name)) for name in names))


@cache
def sources() -> dict[str, ast.Module]:
    """The syntax tree of every source file of the subpackages, by its path."""
    rooms = (path for path in (ROOT / "halfbyte").iterdir() if path.is_dir())
    return {
        str(path.relative_to(ROOT)): ast.parse(path.read_bytes())
        for room in rooms
        for path in sorted(room.rglob("*.py"))
    }


def named_options(text: str) -> set[str]:
    return set(re.findall(r"(?<![\w-])--[a-z][a-z-]*", text))


def unknown_options(tree: ast.AST, known: set[str]) -> set[str]:
    """Options that texts name but that are not in ``known``.

    A text is a string with a space. A string without one may be an argument for another program.
    """
    texts = (
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and " " in node.value
    )
    return {name for text in texts for name in named_options(text)} - known


def cited_files(tree: ast.AST) -> set[str]:
    """Names of files in docstrings: Markdown, Python, C++ and CUDA files."""
    kinds = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef
    nodes = (node for node in ast.walk(tree) if isinstance(node, kinds))
    texts = (ast.get_docstring(node, clean=False) or "" for node in nodes)
    return {name for text in texts for name in re.findall(r"[\w./-]+\.(?:md|py|cpp|cu|h)\b", text)}


def test_every_option_in_a_text_exists():
    known = options(get_command(app)) | FOREIGN
    assert {"--format", "--json", "--tech"} <= known
    assert {"--formats"} == unknown_options(ast.parse("'see --formats, --json'"), {"--json"})
    unknown = {
        (path, name) for path, tree in sources().items() for name in unknown_options(tree, known)
    }
    assert unknown == set()


def test_every_file_in_a_docstring_exists():
    assert cited_files(ast.parse("def f():\n    'See ``docs/no.md``.'")) == {"docs/no.md"}
    folders = [ROOT / "docs", *(ROOT / "halfbyte").iterdir()]
    files = [f"/{path.relative_to(ROOT)}" for each in folders for path in each.rglob("*.*")]
    cited = {
        (path, name)
        for path, tree in sources().items()
        for name in cited_files(tree) - WRITTEN
        if not any(file.endswith(f"/{name}") for file in files)
    }
    assert cited == set()
