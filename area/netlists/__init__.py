"""Netlists as data: circuits, and-inverter graphs, and how Yosys hands them over."""
