"""Simulation of systolic arrays against the golden model."""
