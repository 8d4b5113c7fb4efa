"""An option has an effect on the unit chosen by ``--unit``, or it is refused in one line.

The table ``HONOURED`` lists the options that have an effect, for each command and each unit.
"""

import re

import pytest
from typer.testing import CliRunner

from halfbyte.base import UserError
from halfbyte.cli import honoured
from halfbyte.cli.app import app
from halfbyte.cli.commands import COMMANDS
from halfbyte.cli.honoured import HONOURED


def options_of(command):
    """The options of a command by name, without those that have an effect for every unit."""
    return {
        each.name: each
        for each in COMMANDS[command].load(command).params
        if each.name not in honoured._ALWAYS | {"help"}
    }


def test_every_command_with_units_is_in_the_table():
    """``pareto`` and ``recommend`` are not in the table: they check their options themselves."""
    with_units = {
        command
        for command in COMMANDS
        if "unit" in {each.name for each in COMMANDS[command].load(command).params}
    }
    assert with_units - {"pareto", "recommend"} == set(HONOURED)


@pytest.mark.parametrize("command", HONOURED)
def test_the_table_names_every_option_and_no_other(command):
    named = {name for each in HONOURED[command].values() for name in each.split()}
    assert named == options_of(command).keys()


@pytest.mark.parametrize("command", HONOURED)
def test_the_help_names_the_units_that_the_command_takes(command):
    (unit,) = (each for each in COMMANDS[command].load(command).params if each.name == "unit")
    every = {each for units in HONOURED.values() for each in units}
    taken = {each for each in HONOURED[command] if not each.startswith("--")}
    assert set(re.findall(r"\w+", unit.help)) & every == taken


def refused(*arguments):
    """The error message for a command line that is refused before anything is computed."""
    done = CliRunner().invoke(app, arguments)
    assert isinstance(done.exception, UserError), done.output
    assert "\n" not in str(done.exception)
    return str(done.exception)


def example(parameter):
    """The words of a command line that give an option some value."""
    option = parameter.opts[0]
    return [option] if parameter.is_flag else [option, str(parameter.default or 1)]


@pytest.mark.parametrize(
    ("command", "unit"),
    [(command, unit) for command in HONOURED for unit in HONOURED[command] if unit[0] != "-"],
)
def test_an_option_without_effect_is_refused(command, unit):
    for name, parameter in options_of(command).items():
        if name in HONOURED[command][unit].split():
            continue
        words = example(parameter)
        if unit == "mac" and name in ("dut", "target"):  # with these, other options have an effect
            continue
        message = refused(command, "--unit", unit, *words)
        assert message.startswith(f"{words[0]} is for "), message
        assert message.endswith(f", not for {unit}: leave it out")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("entropy minilm --block 32", "--block has no effect without formats: name some, or"),
        ("evaluate bytelm --task-limit 3", "--task-limit has no effect without --tasks: add --ta"),
        ("run minilm int4 --layer x --tech asap7", "--tech has no effect without --energy: add --"),
        ("profile minilm --random-inputs", "--random-inputs has no effect without --activations"),
        ("releases --no-speed", "--speed has no effect without --record: add --record, or leave "),
        ("pareto int4 --mac-share 0.3", "--mac-share has no effect without --axis chip_overhead"),
        ("pareto int4 --array x.yaml", "--array has no effect without --unit array: add --u"),
        ("rank int4 --levels --fo4 20", "--fo4 is not for --levels, which ranks by area: leave i"),
        ("rank int4 --techs asap7,", "--techs must be names separated by commas, not 'asap7,'"),
        (
            "compress m -o x --layout joint --codes fixed",
            "--codes fixed needs the layout prefix, n",
        ),
        ("quantize m int4 --dequantize --layout compressed-tensors", "--layout is for codes, and "),
        ("synth int4 --clock=", "--clock is empty: give a value, or leave it out"),
        ("evaluate bytelm --tasks ,", "--tasks must be names separated by commas, not ','"),
        ("synth int4 --scale e8m0", "--scale is for --unit dot or array, not for mac: leave it"),
        ("rtl int4 --unit dfloat11 --tech asap7", "--tech is for --unit mac, dot or array, not"),
        ("sim int4 --dut x.v --arch booth", "--arch is for --unit mac, dot or array, not for --d"),
        ("synth int4 --target ice40 --liberty x.lib", "--liberty is for --unit mac, dot, array, d"),
        (
            "synth int4 --target ice40 --unit dot",
            "--target is for --unit mac, not for dot: leave it",
        ),
        ("synth int4 --unit mca", "Unit must be one of mac, dot, array, dfloat11, bf16_mac, not"),
        ("gatesim --unit dfloat11", "Unit must be one of mac, dot, not 'dfloat11'"),
        ("mutants --unit bf16_mac", "Unit must be one of mac, dot, not 'bf16_mac'"),
        ("gatesim int4 --unit array", "`halfbyte gatesim` takes no array: simulate the netlist"),
        ("sim int4 --unit array --waves", "--waves is for --unit mac, dot, dfloat11, bf16_mac or "),
    ],
)
def test_the_message_says_what_takes_the_option(words, message):
    assert refused(*words.split()).startswith(message)
