"""Command lines with unknown options or commands, or with wrong or missing values.

The message is one line, which suggests the right name for a misspelt one. The exit status is 2.
"""

import pytest
from typer.testing import CliRunner

from halfbyte.cli.app import app
from halfbyte.cli.commands import COMMANDS

ARGUMENT = "give it as an argument, `halfbyte"


def said(*arguments):
    """The one line that a wrong command line prints, without ``error:``."""
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 2, done.output
    assert done.output.startswith("error: ")
    assert done.output.count("\n") == 1, done.output
    return done.output.removeprefix("error: ").strip()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("rank --tech asap7", "`halfbyte rank` has no option --tech: did you mean --techs?"),
        ("curve --clock=2ns", "`halfbyte curve` has no option --clock: did you mean --clocks?"),
        ("synth --out x", "`halfbyte synth` has no option --out: did you mean --output?"),
        (
            "sim --acc_width 8",
            "`halfbyte sim` has no option --acc_width: did you mean --acc-width?",
        ),
        ("gates int4 --seed 1", "`halfbyte gates` has no option --seed: did you mean --seeds?"),
        ("synth --format int4", f"{ARGUMENT} synth [FORMAT]...`"),
        ("profile --model minilm", f"{ARGUMENT} profile MODEL`"),
        (
            "tech list --clock 1ns",
            "has no option --clock: it is for `halfbyte synth`, `rtl`; leave",
        ),
        (
            "formats --bogus",
            "`halfbyte formats` has no option --bogus: see `halfbyte formats --hel",
        ),
        (
            "synth --jobs many",
            "--jobs must be a whole number, not 'many': see `halfbyte synth --he",
        ),
        ("derive normal --bits 99", "--bits must be at most 8, not '99': see `halfbyte derive --h"),
        ("rank --fo4 nan", "--fo4 must be at least 1, not 'nan'"),
        ("diff a.json", "Missing argument 'AFTER.json': see `halfbyte diff --help`"),
        ("diff a b c", "Got unexpected extra argument(s) (c): see `halfbyte diff --help`"),
        ("synht", "No such command 'synht'. Did you mean 'synth'?"),
        ("synth --jobs", "Option '--jobs' requires an argument"),
    ],
)
def test_the_line_names_the_mistake(words, message):
    assert message in said(*words.split())


@pytest.mark.parametrize("command", [name for name in COMMANDS if name != "tech"])
def test_singular_and_plural_of_an_option_are_suggested(command):
    """For example, ``--techs`` is suggested for ``--tech``, and ``--lanes`` for ``--lane``."""
    known = {name for each in COMMANDS[command].load(command).params for name in each.opts}
    for name in sorted(name for name in known if name.startswith("--") and len(name) > 4):
        other = name[:-1] if name.endswith("s") else f"{name}s"
        if other not in known and name not in ("--help", "--formats", "--format"):
            assert f"did you mean {name}" in said(command, other), name
