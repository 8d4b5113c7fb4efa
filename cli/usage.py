"""Explain a wrong command line in one line: what was given, and what was probably meant."""

import difflib
from collections.abc import Callable, Mapping
from typing import Any

from typer.exceptions import TyperException

__all__ = ["usage_line"]

# Names that mean the same, in our commands or in other tools.
_SYNONYMS = (
    ("tech", "techs", "technology", "technologies", "card"),
    ("clock", "clocks", "period", "frequency"),
    ("liberty", "lib", "library"),
    ("arch", "architecture"),
    ("activation", "activations", "act"),
    ("output", "out", "out-dir", "output-dir"),
    ("jobs", "threads", "processes", "workers"),
    ("acc-width", "accumulator-width", "acc-bits", "acc"),
    ("text", "dataset", "data"),
    ("block", "block-size", "group-size"),
    ("cycles", "vectors", "count"),
)
# Options that users may write where a command takes an argument, and the names that this argument
# has in the commands.
_ARGUMENTS = {
    "format": ("names", "name", "fmt"),
    "formats": ("names", "name", "fmt"),
    "weight": ("names", "name", "fmt"),
    "model": ("model",),
    "input": ("source", "model", "space", "files"),
}
_CLOSE = 0.75  # similarity of two names, as difflib counts it: 1 if they are the same


_Commands = Callable[[], Mapping[str, Any]]


def usage_line(error: TyperException, commands: _Commands) -> str:
    """The error in one line, with the remedy; ``commands`` loads all commands, by name."""
    context = getattr(error, "ctx", None)
    option = getattr(error, "option_name", None)
    if context is None:
        return _sentence(error)
    if option is None or not error.message.startswith("No such option"):
        return f"{_sentence(error)}: see `{context.command_path} --help`"
    return (
        f"`{context.command_path}` has no option {option[:60]}: {_meant(context, option, commands)}"
    )


# Pydantic's names of errors, and the value that is wanted instead.
_WANTED = {
    "int_parsing": "a whole number",
    "int_from_float": "a whole number",
    "int_parsing_size": "a smaller number",
    "float_parsing": "a number",
    "greater_than_equal": "at least {ge:g}",
    "greater_than": "more than {gt:g}",
    "less_than_equal": "at most {le:g}",
    "less_than": "less than {lt:g}",
}


def _sentence(error: TyperException) -> str:
    """The error's own message in one line. For a wrong number: the wanted and the given value."""
    found = getattr(error.__cause__, "errors", None)
    for each in found() if found else ():
        if wanted := _WANTED.get(each["type"]):
            # Only the subclass BadParameter has `param`, so mypy would refuse `error.param`.
            option = " / ".join(getattr(error, "param").opts)  # noqa: B009
            came = str(each["input"])[:60]
            return f"{option} must be {wanted.format(**each.get('ctx', {}))}, not {came!r}"
    return " ".join(error.format_message().split()).rstrip(".")


def _meant(context: Any, option: str, commands: _Commands) -> str:
    """Which option or argument was probably meant."""
    name = option.lstrip("-").partition("=")[0].replace("_", "-")
    own = {each[2:]: each for each in _long_options(context.command)}
    alike = [each for group in _SYNONYMS if name in group for each in group if each in own]
    alike += difflib.get_close_matches(name, own, n=3, cutoff=_CLOSE)
    alike += [each for each in own if name and (each.startswith(name) or name.startswith(each))]
    if alike:
        return f"did you mean {' or '.join(own[each] for each in list(dict.fromkeys(alike))[:2])}?"
    if argument := _argument(context.command, name):
        return f"give it as an argument, `{context.command_path} {argument}`"
    takers = commands().items()
    elsewhere = [each for each, command in takers if f"--{name}" in _long_options(command)]
    if elsewhere:
        return f"it is for `halfbyte {'`, `'.join(elsewhere[:4])}`; leave it out"
    return f"see `{context.command_path} --help`"


def _long_options(command: Any) -> list[str]:
    """The options that the help shows, by their long names."""
    shown = (each for each in command.params if each.param_type_name == "option")
    return [
        name
        for each in shown
        if not each.hidden
        for name in (*each.opts, *each.secondary_opts)
        if name.startswith("--")
    ]


def _argument(command: Any, name: str) -> str | None:
    """The command's arguments as its usage shows them, if one stands for the option ``name``."""
    wanted = _ARGUMENTS.get(name, ())
    arguments = [each for each in command.params if each.param_type_name == "argument"]
    if not any(each.name in wanted for each in arguments):
        return None
    return " ".join(map(_written, arguments))


def _written(argument: Any) -> str:
    """An argument as the usage shows it: ``[FORMAT]...`` if none or several may be given."""
    name = argument.metavar or argument.name.upper()
    return f"{name if argument.required else f'[{name}]'}{'...' if argument.nargs != 1 else ''}"
