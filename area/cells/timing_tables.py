"""A Liberty library's tables: delays, transitions and setup times."""

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from halfbyte.area.cells.cell import Arc, Edge
from halfbyte.area.cells.liberty import Group
from halfbyte.area.cells.nldm import Table, greatest
from halfbyte.base import UserError

__all__ = ["DELAY_AXES", "DIRECTIONS", "TableReader", "Units", "read_arcs", "read_setup", "rounded"]

_ROW, _COLUMN = "row", "column"
# What Liberty calls the axes of delays and energies, and those of setup times.
DELAY_AXES = {
    "input_net_transition": _ROW,
    "input_transition_time": _ROW,
    "related_pin_transition": _ROW,
    "total_output_net_capacitance": _COLUMN,
}
_SETUP_AXES = {"constrained_pin_transition": _ROW, "related_pin_transition": _COLUMN}
_SENSES = {"positive_unate": "positive", "negative_unate": "negative", "non_unate": "both"}
DIRECTIONS = ("rise", "fall")


@dataclass(frozen=True)
class Units:
    """Factors from a library's units to ps, fF, nW and fJ."""

    time: float
    load: float
    power: float
    energy: float


def rounded(value: float) -> float:
    """Four significant digits: a card reads well and repeats exactly on any machine."""
    return float(f"{value:.4g}")


def _numbers(values: str | list[str]) -> list[float]:
    text = " ".join(values) if isinstance(values, list) else values
    try:
        numbers = [float(word) for word in text.replace(",", " ").split()]
    except ValueError:
        numbers = []
    if not numbers or not all(map(math.isfinite, numbers)):
        raise UserError(f"a table must hold finite numbers, not {text[:60]!r}")
    return numbers


@dataclass(frozen=True)
class TableReader:
    """Tables of one kind: what their axes are called, and factors to our units."""

    templates: Mapping[str, Group]
    axes: Mapping[str, str]
    row: float
    column: float
    value: float

    def read(self, table: Group) -> Table | None:
        """The table, or None if it has other axes; raises UserError if it is malformed."""
        values = _numbers(table.attributes.get("values", ""))
        axes = [axis for axis in (self._axis(table, number) for number in (1, 2, 3)) if axis[1]]
        sizes = [len(index) for _, index in axes]
        if math.prod(sizes) != len(values):
            raise UserError(
                f"a table has {len(values)} values where its axes need {math.prod(sizes)}"
            )
        names = [name for name, _ in axes]
        if len(set(names)) < len(names) or not set(names) <= {_ROW, _COLUMN}:
            return None
        if any(left >= right for _, index in axes for left, right in pairwise(index)):
            raise UserError("an axis of a table does not ascend")
        rows, columns = (dict(axes).get(name, [0.0]) for name in (_ROW, _COLUMN))
        width, height = len(columns), len(rows)
        if names == [_COLUMN, _ROW]:
            values = [values[j * height + i] for i in range(height) for j in range(width)]
        values = [rounded(value * self.value) for value in values]
        return Table(
            tuple(rounded(row * self.row) for row in rows),
            tuple(rounded(column * self.column) for column in columns),
            tuple(tuple(values[i * width : (i + 1) * width]) for i in range(height)),
        )

    def _axis(self, table: Group, number: int) -> tuple[str, list[float]]:
        """Kind and entries of an axis; a missing one is empty."""
        template = self.templates.get(table.arguments[0]) if table.arguments else None
        key, variable = f"index_{number}", template.text(f"variable_{number}") if template else ""
        kind = self.axes.get(variable, variable) if variable else (_ROW, _COLUMN, "")[number - 1]
        index = table.attributes.get(key) or (template.attributes.get(key) if template else None)
        return kind, _numbers(index) if index else []

    def edge(self, tables: Mapping[str, Group], direction: str) -> Edge | None:
        """Delay and transition of one direction of an output, if both are there."""
        groups = [tables.get(f"cell_{direction}"), tables.get(f"{direction}_transition")]
        read = [self.read(group) for group in groups if group]
        usable = [table for table in read if table]
        return Edge(*usable) if len(usable) == 2 else None


def read_arcs(
    output: Group, kinds: frozenset[str], templates: Mapping[str, Group], units: Units
) -> dict[str, tuple[Arc, ...]]:
    """The arcs of an output by input: those whose ``timing_type`` is among ``kinds``.

    Arcs of one sense, which a library may give for several states of the other inputs, become one:
    the slowest at each point. Inputs without tables for both edges are left out. Raises UserError
    for a malformed table.
    """
    reader = TableReader(templates, DELAY_AXES, units.time, units.load, units.time)
    found: dict[tuple[str, str, str], list[Edge]] = defaultdict(list)
    for timing in output.all("timing"):
        if timing.text("timing_type", "combinational") not in kinds:
            continue
        tables = {group.name: group for group in timing.groups}
        sense = _SENSES.get(timing.text("timing_sense"), "both")
        for direction in DIRECTIONS:
            edge = reader.edge(tables, direction)
            if edge:
                for source in timing.text("related_pin").split():
                    found[source, sense, direction].append(edge)
    arcs: dict[str, tuple[Arc, ...]] = {}
    for source, sense in dict.fromkeys((source, sense) for source, sense, _ in found):
        rise, fall = (found.get((source, sense, direction), []) for direction in DIRECTIONS)
        if rise and fall:
            arcs[source] = (*arcs.get(source, ()), Arc(sense, _slowest(rise), _slowest(fall)))
    return arcs


def _slowest(edges: Sequence[Edge]) -> Edge:
    return Edge(*(greatest(tables) for tables in zip(*edges, strict=True)))


def read_setup(data: Group, templates: Mapping[str, Group], units: Units) -> tuple[Table, Table]:
    """Setup times in ps of a rising and a falling data input, over its slew and the clock's.

    A library that states none gets zeros. Raises UserError for a malformed table.
    """
    reader = TableReader(templates, _SETUP_AXES, units.time, units.time, units.time)
    found: dict[str, list[Table]] = defaultdict(list)
    for timing in data.all("timing"):
        if timing.text("timing_type") == "setup_rising":
            for group in timing.groups:
                table = reader.read(group)
                if table:
                    found[group.name].append(table)
    none = [Table.constant(0.0)]
    rise, fall = (greatest(found.get(f"{direction}_constraint", none)) for direction in DIRECTIONS)
    return rise, fall
