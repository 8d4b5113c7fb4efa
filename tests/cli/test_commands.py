"""The list of commands: what the help says of each is what the command says of itself."""

import pytest
from typer.testing import CliRunner

from halfbyte import __version__
from halfbyte.cli.app import app
from halfbyte.cli.commands import COMMANDS


@pytest.mark.parametrize("name", COMMANDS)
def test_the_summary_is_the_first_line_of_the_command(name):
    entry = COMMANDS[name]
    command = entry.load(name)
    assert command.name == name or name == "tech"
    assert command.help.splitlines()[0] == entry.summary


def test_the_help_lists_every_command_by_panel():
    text = CliRunner().invoke(app, ["--help"]).output
    for name, entry in COMMANDS.items():
        assert f" {name} " in text
        assert entry.panel in text


def test_version_and_unknown_commands():
    assert CliRunner().invoke(app, ["--version"]).output == f"halfbyte {__version__}\n"
    done = CliRunner().invoke(app, ["synht"])
    assert done.exit_code == 2
    assert "Did you mean 'synth'?" in done.output
