"""Examples in the documentation work: Python blocks run, and commands run or at least exist."""

import re

import pytest
import typer
from typer.main import get_command
from typer.testing import CliRunner

from halfbyte.cli.app import app

from .blocks import PAGES, ROOT, blocks, commands

# Commands of the shell and other programs that a page may show.
OTHERS = {
    "cd",
    "pip",
    "iverilog",
    "vvp",
    "git",
    "dask",
    "sqlite3",
    "python",
    "nvcc",
    ".venv/bin/pip",
}
RUN = [page for page in PAGES if any(block.kind == "console" for block in blocks(page))]
PYTHON = [page for page in PAGES if any(block.kind == "python" for block in blocks(page))]


def name(page):
    return str(page.relative_to(ROOT))


def test_the_pages_have_blocks_of_every_kind():
    kinds = {block.kind for page in PAGES for block in blocks(page)}
    assert {"console", "sh", "python", "yaml"} <= kinds
    assert RUN
    assert PYTHON


@pytest.mark.parametrize("page", PYTHON, ids=name)
def test_python_blocks_run(page, tmp_path, shared_build, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HALFBYTE_BUILD", str(shared_build))
    names = {}
    for block in blocks(page):
        if block.kind == "python":
            exec(compile(block.text, name(page), "exec"), names)  # noqa: S102


@pytest.mark.slow
@pytest.mark.usefixtures("fewer_texts")
@pytest.mark.parametrize("page", RUN, ids=name)
def test_commands_run_with_the_files_that_the_page_shows(page, tmp_path, shared_build, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HALFBYTE_BUILD", str(shared_build))
    for block in blocks(page):
        if block.title:
            (tmp_path / block.title).write_text(block.text)
        if block.kind != "console":
            continue
        for program, *arguments in commands(block):
            assert program == "halfbyte", f"a console block must not run {program}"
            done = CliRunner().invoke(app, arguments)
            assert done.exit_code == 0, (arguments, done.output, done.exception)


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_commands_and_their_options_exist(page):
    for block in blocks(page):
        if block.kind in ("console", "sh"):
            for words in commands(block):
                check(words)


def check(words):
    """Assert that a command and its options exist."""
    program, *arguments = words
    if program == "make":
        check_make(arguments)
    elif program == "halfbyte":
        check_halfbyte(arguments)
    else:
        assert program in OTHERS, f"{program} is neither halfbyte nor a tool that is known"


def check_make(arguments):
    """Assert that the Makefile has these targets and reads these variables."""
    makefile = (ROOT / "Makefile").read_text()
    for word in arguments:
        variable, equals, _ = word.partition("=")
        pattern = rf"\$\([^)]*\b{variable}\)" if equals else rf"^{re.escape(word)}:"
        assert re.search(pattern, makefile, re.M), f"make has no {word}"


def check_halfbyte(arguments):
    """Assert that ``halfbyte`` has this command with these options."""
    command = get_command(app)
    context = typer.Context(command, info_name="halfbyte")
    while hasattr(command, "list_commands") and arguments and not arguments[0].startswith("-"):
        word = arguments.pop(0)
        command = command.get_command(context, word)
        assert command is not None, f"halfbyte has no command {word}"
    known = {
        option
        for parameter in command.params
        for option in [*parameter.opts, *parameter.secondary_opts]
    } | {"--help", "-h"}
    used = [word.split("=")[0] for word in arguments if re.match(r"-{1,2}[a-z]", word)]
    assert set(used) <= known, f"unknown options: {sorted(set(used) - known)}"


@pytest.mark.parametrize("words", [["make", "nothing"], ["make", "pareto", "NOTHING=1"]])
def test_a_make_target_that_does_not_exist_is_noticed(words):
    with pytest.raises(AssertionError, match="make has no"):
        check(words)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["halfbyte", "nothing"], "no command nothing"),
        (["halfbyte", "synth", "int4", "--nothing"], "unknown options"),
        (["frobnicate"], "neither halfbyte nor"),
    ],
)
def test_a_command_or_an_option_that_does_not_exist_is_noticed(words, message):
    with pytest.raises(AssertionError, match=message):
        check(words)
