"""Check that every given option has an effect.

If an option were ignored, a user would think that the results were measured with it. Tables in this
file list which options have an effect, for each command and each of its units.
"""

from collections.abc import Mapping

import typer

from halfbyte.base import UserError

__all__ = ["HONOURED", "check_honoured", "check_not_empty"]

_LIBRARY = "tech liberty dont_use"
_DESIGN = "arch activation terms acc_width overflow"
_DOT = f"{_DESIGN} lanes scale block accumulator window"
_ARRAY = f"{_DOT} rows columns dataflow depth"
_DECODER = "lanes codes symbols"
_RUN = "simulator waves seed"
_DUT = "--dut"
_TARGET = "--target"

# The names of the parameters that have an effect, for each command and each of its units. An option
# that changes what the command does, such as --dut, is listed like a unit. Parameters that
# always have an effect are in ``_ALWAYS``.
HONOURED: Mapping[str, Mapping[str, str]] = {
    "synth": {
        "mac": f"{_LIBRARY} {_DESIGN} clock saved_carries operands every effort output",
        _TARGET: f"target {_DESIGN} every",
        "dot": f"{_LIBRARY} {_DOT} clock operands every effort",
        "array": f"{_LIBRARY} {_ARRAY} clock operands effort",
        "dfloat11": f"{_LIBRARY} {_DECODER}",
        "bf16_mac": _LIBRARY,
    },
    "sim": {
        "mac": f"tech {_DESIGN} enable {_RUN} cycles",
        _DUT: f"dut top port tie latency junit activation terms acc_width overflow enable {_RUN} "
        "cycles",
        "dot": f"tech {_DOT} {_RUN} cycles",
        "array": f"tech {_ARRAY} simulator seed",
        "dfloat11": f"{_DECODER} {_RUN}",
        "bf16_mac": _RUN,
    },
    "gatesim": {
        "mac": f"{_LIBRARY} arch activation terms simulator seed cycles",
        "dot": f"{_LIBRARY} {_DOT} simulator seed cycles",
    },
    "mutants": {
        "mac": "tech arch activation terms count seed cycles",
        "dot": f"tech {_DOT} count seed cycles",
    },
    "triple": {
        "mac": "tech arch activation terms seed cycles device",
        "dot": f"tech {_DOT} seed cycles device",
    },
    "prove": {
        "mac": f"{_LIBRARY} arch activation terms counterexamples",
        "dot": f"{_LIBRARY} {_DOT}",
        "array": f"{_LIBRARY} {_ARRAY}",
        "dfloat11": f"{_LIBRARY} {_DECODER}",
        "bf16_mac": _LIBRARY,
    },
    "rtl": {
        "mac": f"{_LIBRARY} {_DESIGN} enable segment clock output",
        "dot": f"{_LIBRARY} {_DOT} clock output",
        "array": f"{_LIBRARY} {_ARRAY} clock output",
        "dfloat11": f"{_DECODER} output",
        "bf16_mac": "output",
    },
}
# For each command: options that have an effect only together with another option or with formats,
# which are called ``names``.
_NEEDS: Mapping[str, Mapping[str, str]] = {
    "evaluate": {"task_folder": "tasks", "task_limit": "tasks"},
    "run": {"tech": "energy"},
    "entropy": {"block": "names", "scale": "names"},
    "profile": {"random_inputs": "activations"},
    "operands": {"codes": "packets"},
    "explore": dict.fromkeys(
        ("accuracy", "block", "output", "width", "annotate", "transparent"), "report"
    ),
    "releases": {"names": "record", "speed": "record", "jobs": "record"},
}
# What a user can do instead, for units that a command does not take.
_ELSEWHERE = {
    ("gatesim", "array"): "simulate the netlist of an element's unit instead, with --unit dot",
    ("mutants", "array"): "inject faults into an element's unit instead, with --unit dot",
}
_ARGUMENTS = ("names", "name", "fmt", "model", "distribution", "space")
_ALWAYS = frozenset({"names", "unit", "jobs", "json", "wide"})


def check_not_empty(context: typer.Context, options: Mapping[str, object]) -> None:
    """Raise UserError for an option with an empty value, as from an unset shell variable."""
    for name, value in options.items():
        words = value if isinstance(value, list) else [value]
        if "" in words and _is_given(context, name):
            raise UserError(f"{_shown(name)} is empty: give a value, or leave it out")


def check_honoured(context: typer.Context, options: Mapping[str, object]) -> None:
    """Raise UserError for a unit that the command does not take, or an option without effect.

    Commands that are in neither ``HONOURED`` nor ``_NEEDS`` use all their options, or check them
    themselves.
    """
    command = str(context.info_name)
    for name, needed in _NEEDS.get(command, {}).items():
        is_there = options[needed] or (needed == "names" and options.get("formats"))
        if _is_given(context, name) and not is_there:
            what = "formats: name some" if needed == "names" else f"--{needed}: add --{needed}"
            option = _shown(name)
            raise UserError(f"{option} has no effect without {what}, or leave out {option}")
    if command not in HONOURED:
        return
    cases = HONOURED[command]
    case = _case(cases, command, options)
    for name in options:
        if name not in _ALWAYS | set(cases[case].split()) and _is_given(context, name):
            option = _shown(name)
            takers = [each for each, honoured in cases.items() if name in honoured.split()]
            raise UserError(
                f"{option} is for {_listed(takers, option)}, not for {case}: leave it out"
            )


def _case(cases: Mapping[str, str], command: str, options: Mapping[str, object]) -> str:
    """The key of ``cases`` that applies: a unit, or an option that is listed like one (--dut)."""
    unit = str(options["unit"])
    if (command, unit) in _ELSEWHERE:
        raise UserError(f"`halfbyte {command}` takes no {unit}: {_ELSEWHERE[command, unit]}")
    units = [each for each in cases if not each.startswith("--")]
    if unit not in units:
        raise UserError(f"Unit must be one of {', '.join(units)}, not {unit[:60]!r}")
    modes = [each for each in cases if each.startswith("--") and options.get(each[2:])]
    return modes[0] if modes and unit == units[0] else unit


def _shown(name: str) -> str:
    """An option as it is written on the command line; arguments have no name there."""
    return "An argument" if name in _ARGUMENTS else f"--{name.replace('_', '-')}"


def _is_given(context: typer.Context, name: str) -> bool:
    """Whether the option stands on the command line."""
    source = context.get_parameter_source(name)
    return source is not None and source.name == "COMMANDLINE"


def _listed(cases: list[str], option: str) -> str:
    """The cases in words, such as ``--unit dot or array``. The case of ``option`` means a MAC."""
    cases = ["mac" if each == option else each for each in cases]
    units = [each for each in cases if not each.startswith("--")]
    words = [f"--unit {units[0]}", *units[1:]] if units else []
    words += [each for each in cases if each.startswith("--")]
    return " or ".join(filter(None, (", ".join(words[:-1]), words[-1])))
