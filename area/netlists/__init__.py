"""Netlists as data: circuits, and-inverter graphs, and their exchange with Yosys."""
