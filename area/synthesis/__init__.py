"""From RTL to a netlist of library cells: scripts for Yosys, adders, recipes, annealing."""
