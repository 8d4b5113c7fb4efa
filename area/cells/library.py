"""Reads a cell library from its Liberty files: its name, its corner and its usable cells."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from halfbyte.area.cells.cell import Cell
from halfbyte.area.cells.cell_reader import NO_AREA, read_cells
from halfbyte.area.cells.liberty import Group, read_liberty
from halfbyte.area.cells.units import read_units
from halfbyte.base import UserError

__all__ = ["Library", "read_library"]

_TWICE = "it is stated twice, with different data"
# Words for process corners in libraries, and the usual abbreviations of these corners.
_PROCESSES = {"typ": "tt", "typical": "tt", "nom": "tt", "fast": "ff", "slow": "ss"}
_PROCESS = re.compile(r"(?<![a-z])(tt|ff|ss|sf|fs|typ|typical|nom|fast|slow)(?![a-z])")


@dataclass(frozen=True)
class Library:
    """The usable cells of one library, with its name, corner and supply voltage, if stated.

    ``left_out`` gives, by name, the cells that are malformed or are stated twice with different
    data, each with the reason. ``time_unit_ps`` is the unit of time of the library's first file, in
    ps.
    """

    name: str
    corner: str
    voltage: float | None
    cells: Mapping[str, Cell]
    left_out: Mapping[str, str] = field(default_factory=dict)
    time_unit_ps: float = 1000.0


def read_library(paths: Sequence[Path]) -> Library:
    """Read one library from one or several Liberty files, which may differ in their units.

    A cell that is stated twice, with different data, is left out like a malformed cell. Raises
    UserError if there is no file; for a file that cannot be read, is not Liberty, has a malformed
    unit or voltage, or belongs to a different corner than the other files; and if cells are left
    out and no usable cell remains.
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
            # 1 ns is 1000 ps, not 1000.0000000000001
            times.append(round(read_units(group).time, 9))
            for name, cell in read_cells(group):
                if isinstance(cell, str):
                    left_out.setdefault(name, cell)
                elif cells.setdefault(name, cell) != cell:
                    left_out.setdefault(name, _TWICE)
        except UserError as error:
            raise UserError(f"{path}: {error}") from None
    cells = {name: cell for name, cell in cells.items() if name not in left_out}
    if len(corners) > 1:
        raise UserError(
            "Liberty files of one library must share a corner, but they have "
            f"{'; '.join(sorted(corners))}"
        )
    if left_out and not cells:
        raise UserError(f"{', '.join(map(str, paths))}: {_none_usable(left_out)}")
    return Library(_common_name(names), corners.pop(), voltages[0], cells, left_out, times[0])


def _none_usable(left_out: Mapping[str, str]) -> str:
    """The end of an error message: why no cell of a library is usable."""
    if set(left_out.values()) == {NO_AREA}:
        return f"no cell states an area (cells: {len(left_out)})"
    name, why = next(iter(left_out.items()))
    return f"cell {name}: {why}; no cell is usable (malformed cells: {len(left_out)})"


def _common_name(names: Sequence[str]) -> str:
    """The words that all names have at the same place, joined by underscores.

    For example, the result is ``asap7_tt`` for ``asap7_AO_tt`` and ``asap7_OA_tt``. If the names
    have no such words, it is the first name.
    """
    words = zip(*(name.split("_") for name in names), strict=False)
    common = [first for first, *others in words if all(other == first for other in others)]
    return "_".join(common) or names[0]


def _conditions(library: Group) -> tuple[float | None, float | None]:
    """Temperature in degrees Celsius and voltage in V of the default or nominal conditions.

    A value that the library does not state is None.
    """
    temperature, voltage = library.number("nom_temperature"), library.number("nom_voltage")
    for stated in library.all("operating_conditions"):
        if stated.arguments == [library.text("default_operating_conditions")]:
            temperature = stated.number("temperature", temperature)
            voltage = stated.number("voltage", voltage)
    if voltage is not None and voltage <= 0:
        raise UserError(f"the supply voltage must be positive, not {voltage:g} V")
    return temperature, voltage


def _corner(library: Group, name: str) -> str:
    """Process, temperature and voltage as text, as far as the library states them."""
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
