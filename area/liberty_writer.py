"""Writing a technology as a small Liberty library that Yosys and ABC read."""

from typing import TYPE_CHECKING

from halfbyte.area.cells import Arc, Cell

if TYPE_CHECKING:
    from halfbyte.area.technology import Technology

__all__ = ["liberty_text"]

# The corners of the plane that stands for an output's delay: slews in ps and loads in fF.
_SLEWS = (1.0, 100.0)
_LOADS = (0.1, 50.0)
_HEADER = """\
library ({name}) {{
  delay_model : table_lookup;
  time_unit : "1ps";
  capacitive_load_unit (1, ff);
  leakage_power_unit : "1nW";
  voltage_unit : "1V";
  current_unit : "1uA";
  lu_table_template (plane) {{
    variable_1 : input_net_transition;
    variable_2 : total_output_net_capacitance;
    index_1 ("{slews}");
    index_2 ("{loads}");
  }}
"""


def liberty_text(technology: "Technology") -> str:
    """The library's text: all gates, and one flip-flop, as plain logic.

    Of the flip-flops only the technology's smallest is written, so that Yosys takes that one; pins
    that have to be tied are left out.
    """
    keep = technology.flip_flop.name
    cells = [cell for cell in technology.cells.values() if not cell.flip_flop or cell.name == keep]
    header = _HEADER.format(
        name=technology.name,
        slews=", ".join(map(str, _SLEWS)),
        loads=", ".join(map(str, _LOADS)),
    )
    return header + "".join(_cell(cell) for cell in cells) + "}\n"


def _cell(cell: Cell) -> str:
    lines = [
        f"  cell ({cell.name}) {{",
        f"    area : {cell.area};",
        f"    cell_leakage_power : {cell.leakage};",
    ]
    if cell.flip_flop:
        flip_flop = cell.flip_flop
        lines.append(
            f'    ff (IQ, IQN) {{ next_state : "{flip_flop.data}"; '
            f'clocked_on : "{flip_flop.clock}"; }}'
        )
    for pin, capacitance in cell.inputs.items():
        clock = " clock : true;" if cell.flip_flop and pin == cell.flip_flop.clock else ""
        lines.append(
            f"    pin ({pin}) {{ direction : input; capacitance : {capacitance};{clock} }}"
        )
    for pin, function in cell.outputs.items():
        state = function
        if cell.flip_flop:
            state = "IQN" if cell.flip_flop.inverted else "IQ"
        lines.append(f"    pin ({pin}) {{")
        lines.append(f'      direction : output; function : "{state}";')
        if pin in cell.arcs:
            lines += _timing(cell, cell.arcs[pin])
        lines.append("    }")
    return "\n".join([*lines, "  }"]) + "\n"


def _timing(cell: Cell, arc: Arc) -> list[str]:
    """One arc from every input, all alike: a card keeps the plane through all of them."""
    sources = [cell.flip_flop.clock] if cell.flip_flop else list(cell.inputs)
    kind = " timing_type : rising_edge;" if cell.flip_flop else ""
    delay, transition = _table(arc.delay), _table(arc.transition)
    return [
        f'      timing () {{ related_pin : "{source}";{kind} timing_sense : non_unate;\n'
        f"        cell_rise (plane) {{ {delay} }} cell_fall (plane) {{ {delay} }}\n"
        f"        rise_transition (plane) {{ {transition} }}\n"
        f"        fall_transition (plane) {{ {transition} }}\n"
        "      }"
        for source in sources
    ]


def _table(plane: tuple[float, float, float]) -> str:
    intrinsic, per_slew, per_load = plane
    rows = (
        ", ".join(f"{intrinsic + per_slew * slew + per_load * load:.6g}" for load in _LOADS)
        for slew in _SLEWS
    )
    return "values (" + ", ".join(f'"{row}"' for row in rows) + ");"
