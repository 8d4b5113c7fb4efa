"""From the groups of a Liberty library to cells in one set of units: um^2, ps, fF, nW."""

import re
from collections.abc import Iterator, Sequence
from itertools import product
from pathlib import Path

import numpy as np

from halfbyte.area.cells import Arc, Cell, FlipFlop
from halfbyte.area.function import normalised, truth_table
from halfbyte.area.liberty import Group, read_liberty
from halfbyte.base import UserError

__all__ = ["Library", "read_library"]

MAX_INPUTS = 6
# Cells that no synthesis of plain logic should take, by attribute and, where libraries have none,
# by what their names say.
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
_EXCLUDING_NAMES = re.compile(
    r"lpflow|probe|dly|delay|clk|decap|fill|antenna|diode|tap|sighold|keep|lgcp|ebufn|einv|scan|^sdf|macro"
)
_CELL_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,79}")
_PIN_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,39}")
_SCALE = {"f": 1e-15, "p": 1e-12, "n": 1e-9, "u": 1e-6, "m": 1e-3, "": 1.0}
_UNIT = re.compile(r"([0-9.eE+-]+)\s*([fpnum]?)[a-zA-Z]+")


class Library:
    """The usable cells of one library, with its name and corner."""

    def __init__(self, name: str, corner: str, cells: dict[str, Cell]) -> None:
        self.name = name
        self.corner = corner
        self.cells = cells


def _scale(text: str, target: float, default: str) -> float:
    """Factor from the library's unit, such as ``1ns``, to ``target`` in SI units."""
    match = _UNIT.fullmatch((text or default).strip())
    if match is None:
        raise UserError(f"Liberty unit {text!r} is not understood; wanted one like {default!r}")
    return float(match[1]) * _SCALE[match[2]] / target


class _Units:
    def __init__(self, library: Group) -> None:
        load = library.attributes.get("capacitive_load_unit", ["1", "pf"])
        load_text = "".join(load) if isinstance(load, list) else load
        self.time = _scale(library.text("time_unit"), 1e-12, "1ns")
        self.load = _scale(load_text.lower(), 1e-15, "1pf")
        self.power = _scale(library.text("leakage_power_unit"), 1e-9, "1nW")


def read_library(paths: Sequence[Path]) -> Library:
    """Read one library from one or several Liberty files.

    Raises UserError for a file that cannot be read, is no Liberty, or has no usable cell.
    """
    cells: dict[str, Cell] = {}
    groups = [read_liberty(path) for path in paths]
    corners = {_corner(group) for group in groups}
    if len(corners) > 1:
        raise UserError(f"Liberty files of different corners: {'; '.join(sorted(corners))}")
    for group in groups:
        units = _Units(group)
        templates = {template.arguments[0]: template for template in group.all("lu_table_template")}
        for cell_group in group.all("cell"):
            cell = _read_cell(cell_group, units, templates)
            if cell is not None:
                cells.setdefault(cell.name, cell)
    name = groups[0].arguments[0] if groups[0].arguments else paths[0].name
    return Library(name, corners.pop(), cells)


def _corner(library: Group) -> str:
    conditions = library.text("default_operating_conditions")
    process = "tt" if re.search(r"tt|typ|pvt", conditions, re.IGNORECASE) else conditions or "?"
    temperature = library.number("nom_temperature", 0.0)
    return f"{process} {temperature:g} C {library.number('nom_voltage', 0.0):.2f} V"


def _excluded(group: Group, name: str) -> bool:
    if any(group.text(key, "false").lower() not in ("false", "") for key in _EXCLUDING_ATTRIBUTES):
        return True
    short = name.rsplit("__", 1)[-1].lower()
    return bool(_EXCLUDING_NAMES.search(short)) or group.number("area", 0.0) == 0.0


def _pins(group: Group) -> Iterator[tuple[str, Group]]:
    for pin in group.all("pin"):
        for name in pin.arguments:
            yield name, pin


def _read_cell(group: Group, units: _Units, templates: dict[str, Group]) -> Cell | None:
    """The cell, or None if it is of no use here."""
    name = group.arguments[0] if group.arguments else ""
    if not _CELL_NAME.fullmatch(name) or _excluded(group, name):
        return None
    pins = dict(_pins(group))
    inputs = {pin: body for pin, body in pins.items() if body.text("direction") == "input"}
    outputs = {pin: body for pin, body in pins.items() if body.text("direction") == "output"}
    if not outputs or not all(_PIN_NAME.fullmatch(pin) for pin in pins):
        return None
    if any("three_state" in body.attributes for body in outputs.values()):
        return None
    if any(
        True for kind in ("latch", "statetable", "ff_bank", "test_cell") for _ in group.all(kind)
    ):
        return None
    flip_flop = None
    if any(True for _ in group.all("ff")):
        flip_flop = _read_flip_flop(group, inputs, outputs, units)
        if flip_flop is None:
            return None
        outputs = {flip_flop.output: outputs[flip_flop.output]}
    elif not _is_logic(inputs, outputs):
        return None
    return Cell(
        name=name,
        area=_rounded(group.number("area", 0.0) or 0.0),
        leakage=_rounded(_leakage(group) * units.power),
        inputs={
            pin: _rounded((body.number("capacitance", 0.0) or 0.0) * units.load)
            for pin, body in inputs.items()
            if not flip_flop or pin in (flip_flop.data, flip_flop.clock)
        },
        outputs={pin: normalised(body.text("function")) for pin, body in outputs.items()},
        arcs={
            pin: arc
            for pin, body in outputs.items()
            if (arc := _read_arc(body, units, templates)) is not None
        },
        flip_flop=flip_flop,
    )


def _is_logic(inputs: dict[str, Group], outputs: dict[str, Group]) -> bool:
    """Whether every output is a function of the inputs, and these are few."""
    if len(inputs) > MAX_INPUTS:
        return False
    try:
        for body in outputs.values():
            truth_table(body.text("function"), list(inputs))
    except UserError:
        return False
    return True


def _leakage(group: Group) -> float:
    """The cell's figure, or the mean over its states."""
    stated = group.number("cell_leakage_power")
    if stated is not None:
        return stated
    states = [state.number("value", 0.0) or 0.0 for state in group.all("leakage_power")]
    return float(np.mean(states)) if states else 0.0


def _read_flip_flop(
    group: Group, inputs: dict[str, Group], outputs: dict[str, Group], units: _Units
) -> FlipFlop | None:
    """A rising-edge D flip-flop, plain or with pins that can be tied inactive; else None."""
    (state, *_) = group.all("ff")
    variable, inverse = (*state.arguments, "", "")[:2]
    clock = _single_pin(state.text("clocked_on"), inputs)
    next_state = state.text("next_state").strip('" ()')
    data = _single_pin(next_state.lstrip("! "), inputs)
    if not clock or not data:
        return None
    output = next(
        (
            (pin, (wanted == inverse) != next_state.startswith("!"))
            for wanted in (variable, inverse)
            for pin, body in outputs.items()
            if body.text("function").strip('" ()') == wanted
        ),
        None,
    )
    tied = tuple(sorted(set(inputs) - {clock, data}))
    asynchronous = " ".join(state.text(key) for key in ("clear", "preset"))
    if output is None or not all(re.search(rf"\b{pin}\b", asynchronous) for pin in tied):
        return None
    return FlipFlop(data, clock, *output, setup_ps=_setup(inputs[data], units), tied=tied)


def _single_pin(expression: str, inputs: dict[str, Group]) -> str | None:
    pin = expression.strip('" ()')
    return pin if pin in inputs else None


def _numbers(values: str | list[str]) -> np.ndarray:
    text = " ".join(values) if isinstance(values, list) else values
    return np.array([float(word) for word in text.replace(",", " ").split()])


def _setup(data: Group, units: _Units) -> float:
    """The largest entry of the setup tables, in ps."""
    worst = [
        float(_numbers(table.attributes["values"]).max())
        for timing in data.all("timing")
        if timing.text("timing_type") == "setup_rising"
        for table in timing.groups
        if "values" in table.attributes
    ]
    return _rounded(max(worst, default=0.0) * units.time)


def _samples(
    table: Group, templates: dict[str, Group], units: _Units
) -> Iterator[tuple[float, float, float]]:
    """``(slew, load, value)`` in ps and fF for each entry of a delay or transition table."""
    template = templates.get(table.arguments[0] if table.arguments else "")
    if template is None or "values" not in table.attributes:
        return
    axes = []
    for number in ("1", "2"):
        variable = template.text(f"variable_{number}")
        if not variable:
            continue
        index = table.attributes.get(f"index_{number}") or template.attributes.get(
            f"index_{number}"
        )
        if index is None or variable not in (
            "input_net_transition",
            "total_output_net_capacitance",
        ):
            return
        axes.append((variable, _numbers(index)))
    values = _numbers(table.attributes["values"])
    if len(values) != int(np.prod([len(axis) for _, axis in axes])):
        return
    for point, value in zip(product(*(axis for _, axis in axes)), values, strict=True):
        place = {variable: entry for (variable, _), entry in zip(axes, point, strict=True)}
        slew = place.get("input_net_transition", 0.0) * units.time
        load = place.get("total_output_net_capacitance", 0.0) * units.load
        yield slew, load, float(value) * units.time


def _read_arc(output: Group, units: _Units, templates: dict[str, Group]) -> Arc | None:
    """Planes through all tables of an output; None for a library without them."""
    planes = []
    for names in (("cell_rise", "cell_fall"), ("rise_transition", "fall_transition")):
        samples = [
            sample
            for timing in output.all("timing")
            for table in timing.groups
            if table.name in names
            for sample in _samples(table, templates, units)
        ]
        if not samples:
            return None
        slews, loads, values = np.array(samples).T
        basis = np.column_stack([np.ones_like(slews), slews, loads])
        solution, *_ = np.linalg.lstsq(basis, values, rcond=None)
        planes.append(tuple(_rounded(float(coefficient)) for coefficient in solution))
    delay, transition = planes
    return Arc(delay, transition)  # type: ignore[arg-type]


def _rounded(value: float) -> float:
    """Five significant digits, so that a card reads well and repeats exactly."""
    return float(f"{value:.5g}")
