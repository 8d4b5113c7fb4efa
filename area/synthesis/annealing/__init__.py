"""Simulated annealing of combinational netlists, made of the final library cells.

ABC minimizes and-inverter graphs and then maps them to cells. The annealing instead changes a
netlist gate by gate, and judges every change by the area of the cells themselves. Each attempt to
change a gate is a *move*. A change that adds area is accepted with a probability that falls during
the annealing. The annealing knows the truth table of every net over all inputs. This is possible
because there are few inputs: two codes of four bits have only 256 pairs of values.
"""

from halfbyte.area.synthesis.annealing.functions import (
    GateSet,
    gate_liberty,
    library_gates,
    unit_gates,
)
from halfbyte.area.synthesis.annealing.merging import CellNetlist, merged
from halfbyte.area.synthesis.annealing.network import Network, read_network
from halfbyte.area.synthesis.annealing.search import anneal

__all__ = [
    "CellNetlist",
    "GateSet",
    "Network",
    "anneal",
    "gate_liberty",
    "library_gates",
    "merged",
    "read_network",
    "unit_gates",
]
