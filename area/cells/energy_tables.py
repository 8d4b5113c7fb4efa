"""Reads the internal energies of a cell, which may depend on its state, from Liberty tables."""

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from halfbyte.area.cells.function import truth_table
from halfbyte.area.cells.liberty import Group
from halfbyte.area.cells.nldm import Table, mean, total
from halfbyte.area.cells.timing_tables import DELAY_AXES, DIRECTIONS, TableReader
from halfbyte.area.cells.units import Units

__all__ = ["States", "for_every_input", "read_energies"]

_WORD = re.compile(r"[A-Za-z_]\w*")


@dataclass(frozen=True)
class States:
    """The possible states of a cell's pins.

    Parameters
    ----------
    inputs : tuple of str
        Pins that may be 0 or 1. The state variable of a flip-flop counts as such a pin.
    functions : mapping of str to str
        Outputs and state variables that depend on ``inputs``, with their functions.
    tied : mapping of str to int
        Pins that are constant, with their values.
    """

    inputs: tuple[str, ...]
    functions: Mapping[str, str]
    tied: Mapping[str, int]

    def share(self, condition: str) -> float:
        """The share of all states in which a ``when`` condition is true.

        Raises UserError if the condition is malformed.
        """
        expression = condition
        for _ in range(2):  # an output's function may name a variable that has a function, too
            expression = _WORD.sub(self._substitute, expression)
        held = truth_table(expression, self.inputs).bit_count()
        return held / float(1 << len(self.inputs))

    def _substitute(self, word: re.Match[str]) -> str:
        name = word[0]
        if name in self.tied:
            return str(self.tied[name])
        return f"({self.functions[name]})" if name in self.functions else name


def read_energies(
    pin: Group, states: States, templates: Mapping[str, Group], units: Units
) -> dict[str, Table]:
    """Tables of a pin's internal energy in fJ for one transition, by the input that causes it.

    A table that names no input is under the empty name. For an input pin, this is the energy of its
    own transition. Rising and falling edges alternate, so their energies are averaged. If the
    library states the energy of only one edge, it is used for both. Energies of several supplies
    are added. Raises UserError for a malformed table or condition.

    The library may give tables for conditions on the cell's state. They are averaged as if all
    states were equally likely. A table without a condition applies to all states that no condition
    covers. Without such a table, the mean is over the covered states only. For the empty name,
    however, the other states then count as states with an energy of 0.
    """
    reader = TableReader(templates, DELAY_AXES, units.time, units.load, units.energy)
    found: dict[str, dict[tuple[str, str], list[tuple[str, Table]]]] = defaultdict(
        lambda: defaultdict(list)
    )
    for power in pin.all("internal_power"):
        supply, condition = power.text("related_pg_pin"), power.text("when")
        for group in power.groups:
            table = reader.read(group)
            named = group.name.removesuffix("_power")
            for direction in DIRECTIONS if named == "power" else (named,):
                for source in power.text("related_pin").split() or [""]:
                    if table:
                        found[source][supply, direction].append((condition, table))
    return {source: _over_edges(by, states, source) for source, by in found.items()}


def _over_edges(
    by: Mapping[tuple[str, str], Sequence[tuple[str, Table]]], states: States, source: str
) -> Table:
    """The mean of the tables over both edges, summed over all supplies."""
    supplies: dict[str, list[Table]] = defaultdict(list)
    for (supply, _), entries in by.items():
        supplies[supply].append(_over_states(entries, states, source))
    return total([total(edges).scaled(1 / len(edges)) for edges in supplies.values()])


def _over_states(entries: Iterable[tuple[str, Table]], states: States, source: str) -> Table:
    """The tables' mean over states, as in :func:`read_energies`, for one supply and one edge."""
    conditional = [(states.share(when), table) for when, table in entries if when]
    rest = [table for when, table in entries if not when]
    covered = sum(share for share, _ in conditional)
    parts = [table.scaled(share) for share, table in conditional]
    if rest:
        parts.append(mean(rest).scaled(max(0.0, 1 - covered)))
    weight = covered if source and not rest else 1.0
    return total(parts).scaled(1 / weight if weight else 0.0)


def for_every_input(by_source: Mapping[str, Table], inputs: Iterable[str]) -> dict[str, Table]:
    """An output's table of energies for each of ``inputs``; empty if ``by_source`` is empty.

    A table that does not name an input applies to every input without a table of its own. If all
    tables name an input, an input without a table gets the mean of the other inputs' tables.
    """
    known = {source: by_source[source] for source in inputs if source in by_source}
    rest = by_source.get("") or (mean(list(known.values())) if known else None)
    return {source: known.get(source) or rest for source in inputs} if rest else {}
