"""Delay and energy of netlists, computed from the tables of the cell library."""
