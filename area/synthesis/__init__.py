"""Synthesis from RTL to a netlist of library cells, by Yosys, ABC and simulated annealing."""
