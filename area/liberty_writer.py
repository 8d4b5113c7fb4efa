"""Writing a technology as a small Liberty library that Yosys and ABC read."""

from typing import TYPE_CHECKING

from halfbyte.area.cells import Arc, Cell, FlipFlop, Plane
from halfbyte.area.function import Sense, sense, truth_table

if TYPE_CHECKING:
    from halfbyte.area.technology import Technology

__all__ = ["liberty_text"]

# The points at which a plane becomes a table: slews in ps and loads in fF.
_SLEWS = (1.0, 100.0)
_LOADS = (0.1, 50.0)
# ABC wants positive delays; a plane can fall below where its library's tables do not reach.
_LEAST_PS = 0.01
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
    """The library's text: all gates and one flip-flop.

    Of the flip-flops only the technology's smallest is written, so that Yosys takes that one. An
    asynchronous clear or preset stands in it as it is: ``dfflibmap`` ties it inactive.
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
        lines.append(_state(cell.flip_flop))
    for pin, capacitance in cell.inputs.items():
        clock = " clock : true;" if cell.flip_flop and pin == cell.flip_flop.clock else ""
        lines.append(
            f"    pin ({pin}) {{ direction : input; capacitance : {capacitance};{clock} }}"
        )
    for pin, function in cell.outputs.items():
        lines.append(f"    pin ({pin}) {{")
        lines.append(f'      direction : output; function : "{function}";')
        lines += [_timing(cell, pin, source, arc) for source, arc in cell.arcs[pin].items()]
        lines.append("    }")
    return "\n".join([*lines, "  }"]) + "\n"


def _state(flip_flop: FlipFlop) -> str:
    parts = [f'next_state : "{flip_flop.data}";', f'clocked_on : "{flip_flop.clock}";']
    if flip_flop.clear:
        parts.append(f'clear : "{flip_flop.clear}";')
    if flip_flop.preset:
        parts.append(f'preset : "{flip_flop.preset}";')
    if flip_flop.clear and flip_flop.preset:
        parts.append("clear_preset_var1 : L; clear_preset_var2 : L;")
    return f"    ff (IQ, IQN) {{ {' '.join(parts)} }}"


def _timing(cell: Cell, pin: str, source: str, arc: Arc) -> str:
    kind = "timing_type : rising_edge; " if cell.flip_flop else ""
    return (
        f'      timing () {{ related_pin : "{source}"; {kind}'
        f"timing_sense : {_unateness(cell, pin, source)};\n"
        f"        cell_rise (plane) {{ {_table(arc.rise)} }}\n"
        f"        cell_fall (plane) {{ {_table(arc.fall)} }}\n"
        f"        rise_transition (plane) {{ {_table(arc.rise_transition)} }}\n"
        f"        fall_transition (plane) {{ {_table(arc.fall_transition)} }}\n"
        "      }"
    )


def _unateness(cell: Cell, pin: str, source: str) -> str:
    if cell.flip_flop:
        return "non_unate"
    inputs = list(cell.inputs)
    table = truth_table(cell.outputs[pin], inputs)
    names = {Sense(True, False): "positive_unate", Sense(False, True): "negative_unate"}
    return names.get(sense(table, len(inputs), inputs.index(source)), "non_unate")


def _table(plane: Plane) -> str:
    rows = (
        ", ".join(f"{max(plane.at(slew, load), _LEAST_PS):.6g}" for load in _LOADS)
        for slew in _SLEWS
    )
    return "values (" + ", ".join(f'"{row}"' for row in rows) + ");"
