"""Simulated annealing of combinational netlists in the cells that they will be built of.

ABC minimizes and-inverter graphs and maps what it finds. Here a netlist is changed gate by gate,
and every change is judged by the area of the cells themselves. What makes it strong is that it
knows the truth tables of all nets over all inputs: two codes of four bits have 256 values.
"""

from halfbyte.area.synthesis.annealing.functions import GateSet, library_gates, unit_gates
from halfbyte.area.synthesis.annealing.merging import CellNetlist, merged
from halfbyte.area.synthesis.annealing.network import Network, read_network
from halfbyte.area.synthesis.annealing.search import anneal

__all__ = [
    "CellNetlist",
    "GateSet",
    "Network",
    "anneal",
    "library_gates",
    "merged",
    "read_network",
    "unit_gates",
]
