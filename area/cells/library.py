"""From the groups of a Liberty library to cells in one set of units: um^2, ps, fF, nW."""

import math
import re
import statistics
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from halfbyte.area.cells.cell import Cell, FlipFlop
from halfbyte.area.cells.energy_tables import States, for_every_input, read_energies
from halfbyte.area.cells.function import Sense, literal, normalized, sense, truth_table
from halfbyte.area.cells.liberty import CELL, Group, read_liberty
from halfbyte.area.cells.timing_tables import Units, read_arcs, read_setup, rounded
from halfbyte.base import UserError

__all__ = ["Library", "read_library"]

MAX_INPUTS = 6
# Cells that the synthesis of plain logic should not use.
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
# Buffers and inverters for clock trees, delays and probing. They can be told apart only by name.
_SPECIAL_DRIVERS = re.compile(r"clk|dly|delay|probe", re.IGNORECASE)
# Values of "timing_type", each with the output edges that such a group can state.
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
_NO_AREA = "it states no area"
_TWICE = "it is stated twice, with different figures"
# The names are written into Yosys scripts and Verilog.
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,79}")
_SCALE = {"f": 1e-15, "p": 1e-12, "n": 1e-9, "u": 1e-6, "m": 1e-3, "": 1.0, "k": 1e3}
_UNIT = re.compile(
    r"(\d{0,9}(?:\.\d{0,12})?(?:e[+-]?\d{1,2})?)\s*([fpnumk]?)([a-z])[a-z]*", re.IGNORECASE
)
# Names of process corners in libraries.
_PROCESSES = {"typ": "tt", "typical": "tt", "nom": "tt", "fast": "ff", "slow": "ss"}
_PROCESS = re.compile(r"(?<![a-z])(tt|ff|ss|sf|fs|typ|typical|nom|fast|slow)(?![a-z])")


@dataclass(frozen=True)
class Library:
    """The usable cells of one library, with its name, corner and supply voltage, if stated.

    ``left_out`` gives the malformed cells by name, each with the reason. ``time_unit_ps`` is the
    unit of time of its first file in ps.
    """

    name: str
    corner: str
    voltage: float | None
    cells: Mapping[str, Cell]
    left_out: Mapping[str, str] = field(default_factory=dict)
    time_unit_ps: float = 1000.0


def read_library(paths: Sequence[Path]) -> Library:
    """Read one library from one or several Liberty files, which may differ in their units.

    A cell that is stated twice, with different figures, is left out like a malformed one. Raises
    UserError for a file that cannot be read, is not Liberty, has only malformed cells, or belongs
    to another corner than the rest.
    """
    if not paths:
        raise UserError("A library needs at least one Liberty file")
    cells: dict[str, Cell] = {}
    left_out: dict[str, str] = {}
    names, corners, voltages, times = [], set(), [], []
    for path in paths:
        group = read_liberty(path)
        names.append(group.arguments[0] if group.arguments else path.name.split(".")[0])
        try:
            corners.add(_corner(group, names[-1]))
            voltages.append(_conditions(group)[1])
            times.append(round(_units(group).time, 9))  # 1 ns is 1000 ps, not 1000.0000000000001
            for name, cell in _cells(group):
                if isinstance(cell, str):
                    left_out.setdefault(name, cell)
                elif cells.setdefault(name, cell) != cell:
                    left_out.setdefault(name, _TWICE)
        except UserError as error:
            raise UserError(f"{path}: {error}") from None
    cells = {name: cell for name, cell in cells.items() if left_out.get(name) != _TWICE}
    if len(corners) > 1:
        raise UserError(
            f"Liberty files of one library must share a corner, not {'; '.join(sorted(corners))}"
        )
    if left_out and not cells:
        raise UserError(f"{', '.join(map(str, paths))}: {_none_usable(left_out)}")
    return Library(_common_name(names), corners.pop(), voltages[0], cells, left_out, times[0])


def _none_usable(left_out: Mapping[str, str]) -> str:
    if set(left_out.values()) == {_NO_AREA}:
        return f"none of the {len(left_out)} cells states an area"
    name, why = next(iter(left_out.items()))
    others = f" (and {len(left_out) - 1} others)" if len(left_out) > 1 else ""
    return f"cell {name}: {why}{others}; no other cell is usable"


def _common_name(names: Sequence[str]) -> str:
    """The words that all names share: ``asap7_tt`` for ``asap7_AO_tt`` and ``asap7_OA_tt``."""
    words = zip(*(name.split("_") for name in names), strict=False)
    common = [first for first, *others in words if all(other == first for other in others)]
    return "_".join(common) or names[0]


def _conditions(library: Group) -> tuple[float | None, float | None]:
    """Temperature in degrees Celsius and voltage in V of the default or nominal conditions."""
    temperature, voltage = library.number("nom_temperature"), library.number("nom_voltage")
    for stated in library.all("operating_conditions"):
        if stated.arguments == [library.text("default_operating_conditions")]:
            temperature = stated.number("temperature", temperature)
            voltage = stated.number("voltage", voltage)
    if voltage is not None and voltage <= 0:
        raise UserError(f"the supply voltage must be positive, not {voltage:g} V")
    return temperature, voltage


def _corner(library: Group, name: str) -> str:
    """Process, temperature and voltage, as far as the library states them."""
    conditions = library.text("default_operating_conditions")
    match = _PROCESS.search(f"{conditions} {name}".lower())
    process = _PROCESSES.get(match[1], match[1]) if match else conditions or "process unknown"
    temperature, voltage = _conditions(library)
    text = process
    if temperature is not None:
        text += f" {temperature:g} C"
    if voltage is not None:
        text += f" {voltage:.2f} V"
    return text


def _factor(text: str, kind: str, target: float) -> float:
    """Factor from a unit such as ``1ns`` to ``target`` in SI units; ``kind`` is the unit's letter.

    Case and spaces do not matter. The unit may be written out (``1 nWatt``), and a micro sign means
    ``u``.
    """
    match = _UNIT.fullmatch(text.strip().replace("\u00b5", "u").replace("\u03bc", "u"))
    if match is None or match[3].lower() != kind:
        raise UserError(f"a unit must read like 1n{kind}, not {text[:40]!r}")
    try:
        number = float(match[1])
    except ValueError:
        number = 0.0
    if number == 0:
        raise UserError(f"a unit must read like 1n{kind}, not {text[:40]!r}")
    return number * _SCALE[match[2].lower()] / target


def _units(library: Group) -> Units:
    load = _factor(library.text("capacitive_load_unit", "1 pf"), "f", 1e-15)
    volt = _factor(library.text("voltage_unit", "1V"), "v", 1.0)
    power = library.text("leakage_power_unit")
    return Units(
        time=_factor(library.text("time_unit", "1ns"), "s", 1e-12),
        load=load,
        power=_factor(power, "w", 1e-9) if power else None,
        # In Liberty, the unit of internal energies follows from those of load and voltage.
        energy=load * volt**2,
    )


@dataclass(frozen=True)
class _Context:
    """What the cells of one file share: units, templates of tables, defaults."""

    units: Units
    templates: Mapping[str, Group]
    capacitance: float | None
    leakage: float | None


def _cells(library: Group) -> Iterator[tuple[str, Cell | str]]:
    """The usable cells of one file by name; for a malformed cell, the reason instead."""
    context = _Context(
        units=_units(library),
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
            cell = _read_cell(name, group, context)
        except (UserError, ValueError) as error:
            yield name, str(error)
        else:
            if cell is not None:
                yield name, cell


def _is_excluded(name: str, group: Group) -> bool:
    flags = (group.text(key, "false").lower() for key in _EXCLUDING_ATTRIBUTES)
    return (
        not _NAME.fullmatch(name)
        or any(flag not in ("false", "") for flag in flags)
        or any(child.name in _EXCLUDING_GROUPS for child in group.groups)
    )


def _pins(group: Group, direction: str) -> dict[str, Group]:
    """The pins of one direction; a group may name several pins, also in one text."""
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
        raise UserError(_NO_AREA)
    if area < 0:
        raise UserError(f"its area must not be negative, as {area:g} is")
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
        # Some adders state an arc from one output to the other, which is not part of a function.
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
    """The sense from the output's function, for inputs whose timing groups do not state it."""
    names = list(inputs)

    def of(source: str) -> str:
        if flip_flop or source not in names:
            return "both"
        found = sense(truth_table(function, names), len(names), names.index(source))
        return _SENSES.get(found, "both")

    return of


def _states(group: Group, inputs: Iterable[str], flip_flop: FlipFlop | None) -> States:
    """The possible states of the cell, for evaluating conditions."""
    functions = {pin: body.text("function") for pin, body in _pins(group, "output").items()}
    for state in group.all("ff") if flip_flop else ():
        # The state variable is free; the second variable is its inverse.
        inputs, (variable, inverse) = [*inputs, state.arguments[0]], [*state.arguments, ""][:2]
        functions |= {inverse: f"!{variable}"} if inverse else {}
    return States(tuple(inputs), functions, flip_flop.tied if flip_flop else {})


def _capacitance(pin: Group, default: float | None) -> float | None:
    """The pin's figure, the mean of both edges, or the library's default; else None."""
    stated = pin.number("capacitance")
    edges = [pin.number(f"{edge}_capacitance") for edge in ("rise", "fall")]
    known = [edge for edge in edges if edge is not None]
    if stated is None:
        stated = statistics.fmean(known) if known else default
    if stated is not None and stated < 0:
        raise UserError(f"a capacitance must not be negative, as {stated:g} is")
    return stated


def _late_capacitance(pin: Group) -> float | None:
    """The mean of the ranges' upper ends for rising and falling edges; None without ranges."""
    ranges = [pin.attributes.get(f"{edge}_capacitance_range") for edge in ("rise", "fall")]
    if not any(ranges):
        return None
    try:
        upper = [float(" ".join(each).replace(",", " ").split()[1]) for each in ranges if each]
    except (ValueError, IndexError):
        upper = [math.nan]
    if not all(map(math.isfinite, upper)):
        raise UserError(f"a range of capacitances must be two numbers, not {ranges}")
    return statistics.fmean(upper)


def _is_plain_logic(name: str, inputs: Mapping[str, Group], outputs: Mapping[str, Group]) -> bool:
    """Whether every output depends on few inputs. Only a cell without inputs may be constant."""
    if len(inputs) > MAX_INPUTS or (len(inputs) == 1 and _SPECIAL_DRIVERS.search(name)):
        return False
    try:
        tables = [truth_table(pin.text("function"), list(inputs)) for pin in outputs.values()]
    except UserError:
        return False
    return not inputs or not {0, (1 << 2 ** len(inputs)) - 1} & set(tables)


def _leakage(group: Group, context: _Context) -> float | None:
    """The cell's leakage in nW; None if the library does not state it or its unit.

    The sources are, in this order: the cell's own figure, its groups without a condition, the mean
    of its states, and the library's default. Groups of one state for several supplies are added.
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
        raise UserError(f"its leakage must not be negative, as {stated:g} is")
    return rounded(stated * context.units.power)


def _state(flip_flop: FlipFlop) -> str:
    return "IQN" if flip_flop.inverted else "IQ"


def _read_flip_flop(
    group: Group,
    inputs: Mapping[str, Group],
    outputs: Mapping[str, Group],
    context: _Context,
) -> FlipFlop | None:
    """A rising-edge D flip-flop, also one whose clear and preset can be tied; else None.

    State variable and next state may both be inverted (as in ASAP7). Only the output decides.
    """
    state, *more = group.all("ff")
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
