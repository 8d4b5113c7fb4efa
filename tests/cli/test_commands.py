"""The help texts: ``halfbyte --help`` lists every command, and long texts group the options."""

import re

import pytest
from typer.testing import CliRunner

from halfbyte import __version__
from halfbyte.cli.app import app
from halfbyte.cli.commands import COMMANDS
from halfbyte.cli.panels import PANEL_OF


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


@pytest.mark.parametrize("name", ["synth", "sim", "pareto", "evaluate"])
def test_a_long_help_has_its_options_in_panels(name):
    text = CliRunner().invoke(app, [name, "--help"], env={"COLUMNS": "80"}).output
    panels = re.findall(r"^╭─ (.+?) ─", text, re.MULTILINE)
    assert panels[:2] == ["Arguments", "Options"]
    assert len(panels) >= 4
    assert len(panels) == len(set(panels))
    options = re.split(r"^╭─ Options", text, flags=re.MULTILINE)[1].partition("╰")[0]
    assert "--json" in options
    assert "--tech" not in options


def test_every_option_in_the_table_of_panels_exists():
    loaded = [entry.load(name) for name, entry in COMMANDS.items()]
    known = {parameter.name for command in loaded for parameter in command.params}
    assert set(PANEL_OF) <= known


def test_paragraphs_of_a_help_text_have_no_line_breaks():
    text = COMMANDS["sim"].load("sim").help
    summary, rest = text.split("\n\n")
    assert "\n" not in summary + rest


def test_version_and_unknown_commands():
    assert CliRunner().invoke(app, ["--version"]).output == f"halfbyte {__version__}\n"
    done = CliRunner().invoke(app, ["synht"])
    assert done.exit_code == 2
    assert "Did you mean 'synth'?" in done.output


@pytest.mark.parametrize("name", ["run", "rank"])
def test_the_help_shows_the_default_type_of_scales(name):
    (scale,) = (each for each in COMMANDS[name].load(name).params if each.name == "scale")
    assert "e8m0" in (scale.default, scale.show_default)
