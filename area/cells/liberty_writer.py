"""Writes cells as a small Liberty library that Yosys and ABC can read."""

from collections.abc import Iterator, Sequence

from halfbyte.area.cells.cell import Arc, Cell, Edge, FlipFlop
from halfbyte.area.cells.nldm import Table

__all__ = ["liberty_text"]

_SENSES = {"positive": "positive_unate", "negative": "negative_unate", "both": "non_unate"}
# ABC needs at least two entries on each axis of a table. This axis replaces an axis that has only
# one entry.
_NO_AXIS = (1.0, 100.0)
# ABC needs positive delays and transition times. Smaller ones are raised to this value.
_LEAST_PS = 0.01
# ABC refuses libraries with fewer functions than this.
_LEAST_FUNCTIONS = 3
# The area in um^2 of the extra cells of `_fillers`, so large that ABC never chooses them.
_HUGE = 1e6
_HEADER = """\
library ({name}) {{
  delay_model : table_lookup;
  time_unit : "1ps";
  capacitive_load_unit (1, ff);
  leakage_power_unit : "1nW";
  voltage_unit : "1V";
  current_unit : "1uA";
"""
_TEMPLATE = """\
  lu_table_template ({name}) {{
    variable_1 : input_net_transition;
    variable_2 : total_output_net_capacitance;
    index_1 ("{rows}");
    index_2 ("{columns}");
  }}
"""


def liberty_text(name: str, cells: Sequence[Cell]) -> str:
    """The text of a Liberty library with these cells.

    If there is only one flip-flop among the cells, Yosys uses it for every register. Asynchronous
    clear and preset pins are written unchanged: Yosys' ``dfflibmap`` ties them inactive.
    """
    templates = {table.shape: _template(table) for cell in cells for table in _tables(cell)}
    parts = [*templates.values(), *map(_cell, cells), *_fillers(cells)]
    return _HEADER.format(name=name) + "".join(parts) + "}\n"


def _fillers(cells: Sequence[Cell]) -> list[str]:
    """The texts of extra cells, which no netlist uses, if ABC would refuse ``cells`` alone."""
    functions = {
        (len(cell.inputs), tuple(cell.outputs.values())) for cell in cells if not cell.flip_flop
    }
    if len(functions) >= _LEAST_FUNCTIONS:
        return []
    pattern = min(cells, key=lambda cell: (cell.flip_flop is not None, -len(cell.inputs)))
    (arcs,) = (next(iter(pattern.arcs.get(pin, {}).values()), ()) for pin in pattern.outputs)
    return [
        _cell(
            Cell(
                name=f"halfbyte_filler_{count}",
                area=_HUGE,
                leakage=None,
                inputs=dict.fromkeys("ABCDE"[:count], 1.0),
                outputs={"Y": f"!({' & '.join('ABCDE'[:count])})"},
                arcs={"Y": dict.fromkeys("ABCDE"[:count], arcs)},
            )
        )
        for count in (4, 5)
    ]


def _tables(cell: Cell) -> Iterator[Table]:
    """The delay and transition tables of a cell, as ABC needs them."""
    for by_source in cell.arcs.values():
        for arcs in by_source.values():
            for arc in arcs:
                for edge in arc.edges:
                    yield from (_usable(edge.delay), _usable(edge.transition))


def _usable(table: Table) -> Table:
    """The table as ABC needs it: at least two rows and two columns, and positive entries."""
    rows, columns = (axis if len(axis) > 1 else _NO_AXIS for axis in (table.rows, table.columns))
    values = [[max(table.at(row, column), _LEAST_PS) for column in columns] for row in rows]
    return Table(rows, columns, tuple(map(tuple, values)))


def _template(table: Table) -> str:
    """The Liberty template for tables of this size; ABC requires a template for each table."""
    return _TEMPLATE.format(
        name=_template_name(table), rows=_list(table.rows), columns=_list(table.columns)
    )


def _template_name(table: Table) -> str:
    return "delays_{}x{}".format(*table.shape)


def _cell(cell: Cell) -> str:
    lines = [
        f"  cell ({cell.name}) {{",
        f"    area : {cell.area};",
    ]
    if cell.leakage is not None:
        lines.append(f"    cell_leakage_power : {cell.leakage};")
    if cell.flip_flop:
        lines.append(_state(cell.flip_flop))
    for pin, capacitance in cell.inputs.items():
        clock = " clock : true;" if cell.flip_flop and pin == cell.flip_flop.clock else ""
        lines.append(
            f"    pin ({pin}) {{ direction : input; capacitance : {capacitance};{clock} }}"
        )
    for pin, function in cell.outputs.items():
        lines.append(f"    pin ({pin}) {{")
        lines.append(f'      direction : output; function : "{function}";')
        lines += [
            _timing(cell, source, arc) for source, arcs in cell.arcs[pin].items() for arc in arcs
        ]
        lines.append("    }")
    return "\n".join([*lines, "  }"]) + "\n"


def _state(flip_flop: FlipFlop) -> str:
    """The ``ff`` group, which says how a flip-flop's state changes."""
    parts = [f'next_state : "{flip_flop.data}";', f'clocked_on : "{flip_flop.clock}";']
    if flip_flop.clear:
        parts.append(f'clear : "{flip_flop.clear}";')
    if flip_flop.preset:
        parts.append(f'preset : "{flip_flop.preset}";')
    if flip_flop.clear and flip_flop.preset:
        parts.append("clear_preset_var1 : L; clear_preset_var2 : L;")
    return f"    ff (IQ, IQN) {{ {' '.join(parts)} }}"


def _timing(cell: Cell, source: str, arc: Arc) -> str:
    """A ``timing`` group. A missing edge gets the tables of the other edge: ABC needs both."""
    kind = "timing_type : rising_edge; " if cell.flip_flop else ""
    rise, fall = arc.rise or arc.edges[0], arc.fall or arc.edges[0]
    return (
        f'      timing () {{ related_pin : "{source}"; {kind}timing_sense : {_SENSES[arc.sense]};\n'
        f"{_edge('rise', rise)}{_edge('fall', fall)}      }}"
    )


def _edge(direction: str, edge: Edge) -> str:
    return (
        f"        {_table(f'cell_{direction}', _usable(edge.delay))}\n"
        f"        {_table(f'{direction}_transition', _usable(edge.transition))}\n"
    )


def _table(kind: str, table: Table) -> str:
    values = ", ".join(f'"{_list(row)}"' for row in table.values)
    return (
        f'{kind} ({_template_name(table)}) {{ index_1 ("{_list(table.rows)}"); '
        f'index_2 ("{_list(table.columns)}"); values ({values}); }}'
    )


def _list(numbers: Sequence[float]) -> str:
    return ", ".join(f"{number:.6g}" for number in numbers)
