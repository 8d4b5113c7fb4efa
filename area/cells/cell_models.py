"""Verilog models of library cells, from the functions that the library states."""

from collections.abc import Collection

from halfbyte.area.cells.cell import Cell, FlipFlop
from halfbyte.area.cells.function import literal
from halfbyte.area.cells.technology import Technology
from halfbyte.base import UserError

__all__ = ["cell_models"]


def cell_models(technology: Technology, used: Collection[str]) -> str:
    """The text of Verilog modules, one for each cell named in ``used``; they have no timing.

    Raises UserError for a cell that the technology does not have.
    """
    unknown = sorted(set(used) - set(technology.cells))
    if unknown:
        raise UserError(f"Technology {technology.name} has no cell {', '.join(unknown)}")
    return "\n".join(_module(technology.cells[name]) for name in sorted(used))


def _module(cell: Cell) -> str:
    ports = [f"input {pin}" for pin in cell.inputs] + [f"output {pin}" for pin in cell.outputs]
    lines = [f"module {cell.name} ({', '.join(ports)});"]
    if cell.flip_flop:
        lines += _flip_flop(cell.flip_flop)
    else:
        lines += [f"  assign {pin} = {function};" for pin, function in cell.outputs.items()]
    return "\n".join([*lines, "endmodule", ""])


def _flip_flop(flip_flop: FlipFlop) -> list[str]:
    """Verilog of a flip-flop that stores data at the rising clock edge.

    Clear and preset do not wait for the clock.
    """
    events, branches = [f"posedge {flip_flop.clock}"], []
    for expression, level in ((flip_flop.clear, 0), (flip_flop.preset, 1)):
        active = literal(expression)
        if active:
            pin, inverted = active
            events.append(f"{'negedge' if inverted else 'posedge'} {pin}")
            branches.append(f"if ({'!' if inverted else ''}{pin}) _state <= 1'b{level}; else ")
    return [
        "  reg _state;",
        f"  always @({' or '.join(events)}) {''.join(branches)}_state <= {flip_flop.data};",
        f"  assign {flip_flop.output} = {'!' if flip_flop.inverted else ''}_state;",
    ]
