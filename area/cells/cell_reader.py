"""Reads the cells of a Liberty library, and converts their numbers to ps, fF, nW and fJ.

Liberty states no unit of area. Areas are assumed to be in um^2.
"""

import math
import re
import statistics
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from halfbyte.area.cells.cell import Cell, FlipFlop
from halfbyte.area.cells.energy_tables import States, for_every_input, read_energies
from halfbyte.area.cells.function import Sense, literal, normalized, sense, truth_table
from halfbyte.area.cells.liberty import CELL, Group
from halfbyte.area.cells.timing_tables import read_arcs, read_setup, rounded
from halfbyte.area.cells.units import Units, read_units
from halfbyte.base import UserError

__all__ = ["NO_AREA", "read_cells"]

# Logic cells with more inputs are left out.
MAX_INPUTS = 6
# A cell with one of these groups, or with one of these attributes unless the attribute is false, is
# not meant for the synthesis of plain logic.
_EXCLUDING_ATTRIBUTES = (
    "dont_use",
    "is_isolation_cell",
    "is_level_shifter",
    "is_macro_cell",
    "always_on",
    "clock_gating_integrated_cell",
    "switch_cell_type",
    "retention_cell",
)
_EXCLUDING_GROUPS = ("latch", "latch_bank", "ff_bank", "statetable", "test_cell", "bus", "bundle")
# Buffers and inverters for clock trees, delays and probing. Only their names show their purpose.
_SPECIAL_DRIVERS = re.compile(r"clk|dly|delay|probe", re.IGNORECASE)
# Values of the attribute "timing_type" of a timing group, each with the output edges that a group
# with this value can state.
_COMBINATIONAL = {
    "combinational": ("rise", "fall"),
    "combinational_rise": ("rise",),
    "combinational_fall": ("fall",),
}
_CLOCKED = {"rising_edge": ("rise", "fall")}
_SENSES = {
    Sense(True, False): "positive",
    Sense(False, True): "negative",
}
NO_AREA = "it states no area"
# The names that cells and pins may have, since they are written into Yosys scripts and Verilog.
# A cell is left out if it has another name, or a pin with another name.
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,79}")


@dataclass(frozen=True)
class _Context:
    """What the cells of one file share: units, templates of tables, and default values."""

    units: Units
    templates: Mapping[str, Group]
    capacitance: float | None
    leakage: float | None


def read_cells(library: Group) -> Iterator[tuple[str, Cell | str]]:
    """Yield each usable cell with its name; for a malformed cell, yield its name and what is wrong.

    Cells that synthesis should not use are skipped.
    """
    context = _Context(
        units=read_units(library),
        templates={
            template.arguments[0]: template
            for kind in ("lu_table_template", "power_lut_template")
            for template in library.all(kind)
            if template.arguments
        },
        capacitance=library.number("default_input_pin_cap"),
        leakage=library.number("default_cell_leakage_power"),
    )
    for group in library.all(CELL):
        name = group.arguments[0] if group.arguments else ""
        try:
            if group.damage:
                raise UserError(group.damage)
            if len(group.arguments) > 1:
                raise UserError(f"a cell must have one name, not {_listed(group.arguments)}")
            cell = _read_cell(name, group, context)
        except (UserError, ValueError) as error:
            yield name, str(error)
        else:
            if cell is not None:
                yield name, cell


def _listed(names: Sequence[str]) -> str:
    """The beginning of a list of names, for messages."""
    return ", ".join(names)[:40]


def _is_excluded(name: str, group: Group) -> bool:
    """Whether synthesis should not use the cell, by its name, attributes and groups."""
    flags = (group.text(key, "false").lower() for key in _EXCLUDING_ATTRIBUTES)
    return (
        not _NAME.fullmatch(name)
        or any(flag not in ("false", "") for flag in flags)
        or any(child.name in _EXCLUDING_GROUPS for child in group.groups)
    )


def _pins(group: Group, direction: str) -> dict[str, Group]:
    """The pins of one direction, by name; one ``pin`` group may describe several pins."""
    return {
        name: pin
        for pin in group.all("pin")
        if pin.text("direction").lower() == direction
        for argument in pin.arguments
        for name in argument.replace(",", " ").split()
    }


def _read_cell(name: str, group: Group, context: _Context) -> Cell | None:
    """The cell, or None if it is not usable; raises UserError for a malformed cell."""
    if _is_excluded(name, group):
        return None
    inputs, outputs = _pins(group, "input"), _pins(group, "output")
    others = _pins(group, "inout")
    if not outputs or others or any("three_state" in pin.attributes for pin in outputs.values()):
        return None
    if not all(_NAME.fullmatch(pin) for pin in (*inputs, *outputs)):
        return None
    flip_flop: FlipFlop | None = None
    kinds: Mapping[str, Sequence[str]] = _COMBINATIONAL
    if any(child.name == "ff" for child in group.groups):
        flip_flop = _read_flip_flop(group, inputs, outputs, context)
        if flip_flop is None:
            return None
        outputs, kinds = {flip_flop.output: outputs[flip_flop.output]}, _CLOCKED
    elif not _is_plain_logic(name, inputs, outputs):
        return None
    area = group.number("area")
    if area is None:
        raise UserError(NO_AREA)
    if area < 0:
        raise UserError(f"its area must not be negative, but it is {area:g}")
    if area == 0:
        return None
    units, templates = context.units, context.templates
    loads = {pin: _capacitance(body, context.capacitance) for pin, body in inputs.items()}
    unknown = [pin for pin, load in loads.items() if load is None]
    states = _states(group, inputs, flip_flop)
    sources = [flip_flop.clock] if flip_flop else list(inputs)
    functions = {
        pin: _state(flip_flop) if flip_flop else normalized(body.text("function"))
        for pin, body in outputs.items()
    }
    arcs = {
        pin: read_arcs(body, kinds, templates, units, _sense_of(functions[pin], inputs, flip_flop))
        for pin, body in outputs.items()
    }
    energies = {
        pin: for_every_input(read_energies(body, states, templates, units), sources)
        for pin, body in outputs.items()
    }
    passive = {pin: read_energies(body, states, templates, units) for pin, body in inputs.items()}
    return Cell(
        name=name,
        area=area,
        leakage=_leakage(group, context),
        inputs={pin: rounded((load or 0.0) * units.load) for pin, load in loads.items()},
        outputs=functions,
        # Some adders have an arc from one output to the other. It is dropped, because our functions
        # depend on inputs only.
        arcs={
            pin: {source: each for source, each in found.items() if source in inputs}
            for pin, found in arcs.items()
        },
        energies=energies,
        late_inputs={
            pin: rounded(late * units.load)
            for pin, body in inputs.items()
            if (late := _late_capacitance(body)) is not None
        },
        input_energies={pin: found[""] for pin, found in passive.items() if "" in found},
        flip_flop=flip_flop,
        untimed=f"the library states no capacitance of pin {unknown[0]}" if unknown else "",
    )


def _sense_of(
    function: str, inputs: Iterable[str], flip_flop: FlipFlop | None
) -> Callable[[str], str]:
    """A function that gives the sense of an input, for timing groups that do not state it.

    :class:`Arc` explains the senses.
    """
    names = list(inputs)

    def of(source: str) -> str:
        if flip_flop or source not in names:
            return "both"
        found = sense(truth_table(function, names), len(names), names.index(source))
        return _SENSES.get(found, "both")

    return of


def _states(group: Group, inputs: Iterable[str], flip_flop: FlipFlop | None) -> States:
    """The possible states of the cell's pins, to evaluate ``when`` conditions."""
    functions = {pin: body.text("function") for pin, body in _pins(group, "output").items()}
    for state in group.all("ff") if flip_flop else ():
        # The first variable of an `ff` group is the state, which may be 0 or 1. The second
        # variable, if there is one, is its inverse.
        inputs, (variable, inverse) = [*inputs, state.arguments[0]], [*state.arguments, ""][:2]
        functions |= {inverse: f"!{variable}"} if inverse else {}
    return States(tuple(inputs), functions, flip_flop.tied if flip_flop else {})


def _capacitance(pin: Group, default: float | None) -> float | None:
    """The capacitance stated for a pin, else the mean of those stated for its edges.

    If the library states none of these, the result is ``default``.
    """
    stated = pin.number("capacitance")
    edges = [pin.number(f"{edge}_capacitance") for edge in ("rise", "fall")]
    known = [edge for edge in edges if edge is not None]
    if stated is None:
        stated = statistics.fmean(known) if known else default
    if stated is not None and stated < 0:
        raise UserError(f"a capacitance must not be negative, but one is {stated:g}")
    return stated


def _late_capacitance(pin: Group) -> float | None:
    """The mean of the upper ends of a pin's capacitance ranges, of which each edge may have one.

    None if the pin has no ranges.
    """
    ranges = [pin.text(f"{edge}_capacitance_range") for edge in ("rise", "fall")]
    if not any(ranges):
        return None
    return statistics.fmean(_upper_end(stated) for stated in ranges if stated)


def _upper_end(stated: str) -> float:
    """The second number of a range; raises UserError unless the range is two numbers."""
    try:
        _, upper = ends = [float(word) for word in stated.replace(",", " ").split()]
    except ValueError:
        upper, ends = math.nan, [math.nan]
    if not all(map(math.isfinite, ends)):
        raise UserError(f"a range of capacitances must be two numbers, not {stated[:40]!r}")
    return upper


def _is_plain_logic(name: str, inputs: Mapping[str, Group], outputs: Mapping[str, Group]) -> bool:
    """Whether the cell is ordinary logic.

    It must have at most ``MAX_INPUTS`` inputs, and not be a driver for clock trees, delays or
    probing. Its outputs must be functions of its inputs. They may be constant only if it has no
    inputs.
    """
    if len(inputs) > MAX_INPUTS or (len(inputs) == 1 and _SPECIAL_DRIVERS.search(name)):
        return False
    try:
        tables = [truth_table(pin.text("function"), list(inputs)) for pin in outputs.values()]
    except UserError:
        return False
    return not inputs or not {0, (1 << 2 ** len(inputs)) - 1} & set(tables)


def _leakage(group: Group, context: _Context) -> float | None:
    """The cell's leakage in nW; None if the library does not state it or its unit.

    The result is the first of these that is stated: the value of the whole cell, its value without
    a condition, the mean over its states, the library's default for all cells. Values with the same
    condition are added, since they belong to several supplies.
    """
    stated = group.number("cell_leakage_power")
    states: dict[str, float] = {}
    for leakage in group.all("leakage_power"):
        value = leakage.number("value")
        if value is not None:
            condition = leakage.text("when")
            states[condition] = states.get(condition, 0.0) + value
    if stated is None:
        stated = states.get("", statistics.fmean(states.values())) if states else context.leakage
    if stated is None or context.units.power is None:
        return None
    if stated < 0:
        raise UserError(f"its leakage must not be negative, but it is {stated:g}")
    return rounded(stated * context.units.power)


def _state(flip_flop: FlipFlop) -> str:
    """The function of a flip-flop's output: ``IQ`` is the state, ``IQN`` its inverse."""
    return "IQN" if flip_flop.inverted else "IQ"


def _read_flip_flop(
    group: Group,
    inputs: Mapping[str, Group],
    outputs: Mapping[str, Group],
    context: _Context,
) -> FlipFlop | None:
    """The flip-flop of a cell, if it is a rising-edge D flip-flop; else None.

    It may have asynchronous clear and preset. The library's state variable may hold the inverse of
    the data, as in ASAP7: only whether the output is the data or its inverse matters. If the cell
    has outputs of both kinds, the one that is not inverted is used.
    """
    state, *more = group.all("ff")
    if len(state.arguments) > 2:
        raise UserError(
            f"a flip-flop must have a state and at most its inverse, not {_listed(state.arguments)}"
        )
    clock, data = literal(state.text("clocked_on")), literal(state.text("next_state"))
    variables = [*state.arguments, "", ""][:2]
    found = [
        (pin, variables.index(driven[0]) ^ driven[1])
        for pin, body in outputs.items()
        if (driven := literal(body.text("function"))) and driven[0] in variables
    ]
    if more or not clock or clock[1] or not data or not found or state.text("clocked_on_also"):
        return None
    output, odd = min(found, key=lambda entry: entry[1] ^ data[1])
    clear, preset = (state.text(key) for key in ("clear", "preset"))
    if data[1]:
        clear, preset = preset, clear
    tied = [literal(expression) for expression in (clear, preset) if expression]
    pins = [clock[0], data[0], *(pin[0] for pin in tied if pin)]
    if sorted(pins) != sorted(inputs) or None in tied:
        return None
    return FlipFlop(
        data=data[0],
        clock=clock[0],
        output=output,
        inverted=bool(odd ^ data[1]),
        setup=read_setup(inputs[data[0]], context.templates, context.units),
        clear=normalized(clear) if clear else "",
        preset=normalized(preset) if preset else "",
    )
