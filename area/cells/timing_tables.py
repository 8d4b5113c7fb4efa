"""Reads a Liberty library's tables: delays, transitions (slews) and setup times."""

import math
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from halfbyte.area.cells.cell import Arc, Edge
from halfbyte.area.cells.liberty import Group
from halfbyte.area.cells.nldm import Table, greatest
from halfbyte.area.cells.units import Units
from halfbyte.base import UserError

__all__ = ["DELAY_AXES", "DIRECTIONS", "TableReader", "read_arcs", "read_setup", "rounded"]

_ROW, _COLUMN = "row", "column"
# Liberty's names for the axes of tables. `DELAY_AXES` has those for delays and energies,
# `_SETUP_AXES` those for setup times.
DELAY_AXES = {
    "input_net_transition": _ROW,
    "input_transition_time": _ROW,
    "related_pin_transition": _ROW,
    "total_output_net_capacitance": _COLUMN,
}
_SETUP_AXES = {"constrained_pin_transition": _ROW, "related_pin_transition": _COLUMN}
_SENSES = {"positive_unate": "positive", "negative_unate": "negative", "non_unate": "both"}
DIRECTIONS = ("rise", "fall")
# The template name of a table with a single value. Liberty needs no template group for it.
_SCALAR = "scalar"


def rounded(value: float) -> float:
    """The value with four significant digits, which keeps written tables short."""
    return float(f"{value:.4g}")


def _numbers(values: str | list[str]) -> list[float]:
    """The numbers in an attribute; raises UserError if it has no numbers or a malformed one."""
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
    """Reads Liberty tables of one kind, such as delays, and converts their units.

    Parameters
    ----------
    templates : mapping of str to Group
        The library's table templates, by name.
    axes : mapping of str to str
        Liberty's names of the axes, each with ``"row"`` or ``"column"``.
    row, column, value : float
        Factors from the library's units to ours, for the two axes and for the entries.
    """

    templates: Mapping[str, Group]
    axes: Mapping[str, str]
    row: float
    column: float
    value: float

    def read(self, table: Group) -> Table | None:
        """The table, with its units converted.

        Returns None if an axis is not in ``axes``, or if two axes are of the same kind (row or
        column). Raises UserError if the table is malformed.
        """
        values = _numbers(table.attributes.get("values", ""))
        axes = [axis for axis in (self._axis(table, number) for number in (1, 2, 3)) if axis[1]]
        sizes = [len(index) for _, index in axes]
        if math.prod(sizes) != len(values):
            raise UserError(
                f"a table must have {math.prod(sizes)} values for its axes, not {len(values)}"
            )
        names = [name for name, _ in axes]
        if len(set(names)) < len(names) or not set(names) <= {_ROW, _COLUMN}:
            return None
        for _, index in axes:
            if any(left >= right for left, right in pairwise(index)):
                raise UserError(f"each axis of a table must ascend, but one is {index!r:.60}")
        rows, columns = (dict(axes).get(name, [0.0]) for name in (_ROW, _COLUMN))
        width, height = len(columns), len(rows)
        if names == [_COLUMN, _ROW]:
            values = [values[j * height + i] for i in range(height) for j in range(width)]
        values = [rounded(value * self.value) for value in values]
        return Table(
            _scaled(rows, self.row),
            _scaled(columns, self.column),
            tuple(tuple(values[i * width : (i + 1) * width]) for i in range(height)),
        )

    def _axis(self, table: Group, number: int) -> tuple[str, list[float]]:
        """The kind of axis 1, 2 or 3, and its entries; a missing axis has no entries.

        The kind is row or column, or Liberty's name for an axis that is not in ``axes``.
        """
        if len(table.arguments) > 1:
            named = ", ".join(table.arguments)
            raise UserError(f"a table must have one template, not {named[:60]}")
        name = table.arguments[0] if table.arguments else _SCALAR
        template = self.templates.get(name)
        if template is None and name != _SCALAR:
            raise UserError(f"a table has the template {name[:60]}, which the library lacks")
        key, variable = f"index_{number}", template.text(f"variable_{number}") if template else ""
        kind = self.axes.get(variable, variable) if variable else (_ROW, _COLUMN, "")[number - 1]
        index = table.attributes.get(key) or (template.attributes.get(key) if template else None)
        return kind, _numbers(index) if index else []

    def edge(self, tables: Mapping[str, Group], direction: str) -> Edge | None:
        """Delay and transition of one edge of an output; None unless both tables can be used."""
        groups = [tables.get(f"cell_{direction}"), tables.get(f"{direction}_transition")]
        read = [self.read(group) for group in groups if group]
        usable = [table for table in read if table]
        return Edge(*usable) if len(usable) == 2 else None


def _scaled(axis: Sequence[float], factor: float) -> tuple[float, ...]:
    """An axis times ``factor``, rounded to four significant digits if this keeps entries apart."""
    brief = tuple(rounded(entry * factor) for entry in axis)
    return brief if len(set(brief)) == len(axis) else tuple(entry * factor for entry in axis)


def read_arcs(
    output: Group,
    kinds: Mapping[str, Sequence[str]],
    templates: Mapping[str, Group],
    units: Units,
    sense_of: Callable[[str], str],
) -> dict[str, tuple[Arc, ...]]:
    """The timing arcs of an output, by the input where each arc starts.

    An arc's *sense* says whether a rising input makes the output rise, fall, or do either. A
    library may spread the edges and senses of one input over several timing groups, and give
    groups for each state of the other inputs. The groups of one input and sense become one arc,
    with the largest value at each point. An edge that all of these groups lack is None.

    Parameters
    ----------
    output : Group
        The output pin.
    kinds : mapping of str to sequence of str
        The values of ``timing_type`` to read, each with the directions (``rise``, ``fall``) that
        a group of this type can state.
    templates : mapping of str to Group
        Templates of tables.
    units : Units
        Units of the library.
    sense_of : callable
        Gives the sense of an input if a group does not state it.

    Raises
    ------
    UserError
        A table is malformed.
    """
    reader = TableReader(templates, DELAY_AXES, units.time, units.load, units.time)
    found: dict[tuple[str, str, str], list[Edge]] = defaultdict(list)
    for timing in output.all("timing"):
        tables = {group.name: group for group in timing.groups}
        for direction in kinds.get(timing.text("timing_type", "combinational"), ()):
            edge = reader.edge(tables, direction)
            if edge is None:
                continue
            for source in timing.text("related_pin").split():
                sense = _SENSES.get(timing.text("timing_sense")) or sense_of(source)
                found[source, sense, direction].append(edge)
    arcs: dict[str, tuple[Arc, ...]] = {}
    for source, sense in dict.fromkeys((source, sense) for source, sense, _ in found):
        edges = [_slowest(found.get((source, sense, direction), ())) for direction in DIRECTIONS]
        arcs[source] = (*arcs.get(source, ()), Arc(sense, *edges))
    return arcs


def _slowest(edges: Sequence[Edge]) -> Edge | None:
    """The largest delay and transition of several edges at each point; None without edges."""
    return Edge(*(greatest(tables) for tables in zip(*edges, strict=True))) if edges else None


def read_setup(
    data: Group, templates: Mapping[str, Group], units: Units
) -> tuple[Table, Table] | None:
    """Setup times in ps of a rising and a falling data input, over the slews of data and clock.

    If the library states the times of only one edge, they are used for both edges. If it states
    neither, the result is None. Raises UserError for a malformed table.
    """
    reader = TableReader(templates, _SETUP_AXES, units.time, units.time, units.time)
    found: dict[str, list[Table]] = defaultdict(list)
    for timing in data.all("timing"):
        if timing.text("timing_type") == "setup_rising":
            for group in timing.groups:
                table = reader.read(group)
                if table:
                    found[group.name].append(table)
    rise, fall = (found[f"{direction}_constraint"] for direction in DIRECTIONS)
    return (greatest(rise or fall), greatest(fall or rise)) if rise or fall else None
