"""Converts cells to the plain data of a technology card, and back.

A card is a YAML file with the cells of a small library. All timing tables of an output have the
same axes, so the card states these axes only once for each output. The tables of an output are
written as texts, with commas between the rows, since a YAML parser reads a text many times faster
than a list of lists.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from halfbyte.area.cells.cell import Arc, Cell, Edge, FlipFlop
from halfbyte.area.cells.nldm import Table

__all__ = ["cell_from_card", "cell_to_card"]


def cell_to_card(cell: Cell) -> dict[str, object]:
    """The cell as plain data, to be written to a card."""
    card: dict[str, object] = {
        "area": cell.area,
        "leakage": cell.leakage,
        "inputs": dict(cell.inputs),
    }
    if cell.untimed:
        card["untimed"] = cell.untimed
    if cell.late_inputs:
        card["late_inputs"] = dict(cell.late_inputs)
    if cell.input_energies:
        card["energies"] = {pin: table.at(0.0, 0.0) for pin, table in cell.input_energies.items()}
    card["outputs"] = {pin: _output_to_card(cell, pin) for pin in cell.outputs}
    if cell.flip_flop:
        card["flip_flop"] = {**vars(cell.flip_flop), "setup": _setup_to_card(cell.flip_flop)}
    return card


def _setup_to_card(flip_flop: FlipFlop) -> dict[str, object] | None:
    if flip_flop.setup is None:
        return None
    rise, fall = flip_flop.setup
    return {
        "slews": list(rise.rows),
        "clock_slews": list(rise.columns),
        "times": [_rows(rise), _rows(fall)],
    }


def _output_to_card(cell: Cell, pin: str) -> dict[str, object]:
    """An output as plain data: its function, the axes of its tables, its timing and energies."""
    card: dict[str, object] = {"function": cell.outputs[pin]}
    arcs = cell.arcs.get(pin)
    if arcs:
        pattern = next(iter(arcs.values()))[0].edges[0].delay
        card["slews"], card["loads"] = list(pattern.rows), list(pattern.columns)
        card["timing"] = {
            source: {
                arc.sense: [
                    _rows(table) if table else None
                    for edge in (arc.rise, arc.fall)
                    for table in edge or (None, None)
                ]
                for arc in of_source
            }
            for source, of_source in arcs.items()
        }
    if cell.energies.get(pin):
        card["energies"] = {source: _rows(table) for source, table in cell.energies[pin].items()}
    return card


def _rows(table: Table) -> str:
    """The entries of a table as one text."""
    return ", ".join(" ".join(f"{value:g}" for value in row) for row in table.values)


def _table(rows: Sequence[float], columns: Sequence[float], text: str) -> Table:
    """The table with these axes; ``text`` is what :func:`_rows` returned for its entries."""
    return Table.of(rows, columns, [row.split() for row in text.split(",")])


def cell_from_card(name: str, card: Mapping[str, Any]) -> Cell:
    """The cell called ``name``, from the plain data that :func:`cell_to_card` returned for it.

    Raises KeyError, TypeError, ValueError or AttributeError for malformed data.
    """
    outputs = {str(pin): out for pin, out in card["outputs"].items()}
    return Cell(
        name=name,
        area=float(card["area"]),
        leakage=None if card["leakage"] is None else float(card["leakage"]),
        inputs=_numbers(card["inputs"]),
        outputs={pin: str(out["function"]) for pin, out in outputs.items()},
        arcs={pin: _arcs(out) for pin, out in outputs.items()},
        energies={
            pin: {
                str(source): _table([0.0], out["loads"], row)
                for source, row in out.get("energies", {}).items()
            }
            for pin, out in outputs.items()
        },
        input_energies={
            pin: Table.constant(value) for pin, value in _numbers(card.get("energies", {})).items()
        },
        late_inputs=_numbers(card.get("late_inputs", {})),
        flip_flop=_flip_flop(card["flip_flop"]) if "flip_flop" in card else None,
        untimed=str(card.get("untimed", "")),
    )


def _numbers(card: Mapping[str, Any]) -> dict[str, float]:
    return {str(pin): float(value) for pin, value in card.items()}


def _arcs(out: Mapping[str, Any]) -> dict[str, tuple[Arc, ...]]:
    return {
        str(source): tuple(
            Arc(str(sense), _edge(out, tables[:2]), _edge(out, tables[2:]))
            for sense, tables in by_sense.items()
        )
        for source, by_sense in out.get("timing", {}).items()
    }


def _edge(out: Mapping[str, Any], texts: Sequence[str | None]) -> Edge | None:
    """Delay and transition of one edge of an output; None if the card lacks this edge."""
    delay, transition = (
        None if text is None else _table(out["slews"], out["loads"], text) for text in texts
    )
    return Edge(delay, transition) if delay and transition else None


def _flip_flop(card: Mapping[str, Any]) -> FlipFlop:
    setup = card["setup"]
    if setup is None:
        return FlipFlop(**card)
    rise, fall = (_table(setup["slews"], setup["clock_slews"], text) for text in setup["times"])
    return FlipFlop(**{**card, "setup": (rise, fall)})
