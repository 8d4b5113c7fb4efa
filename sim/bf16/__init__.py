"""Simulation of the BF16 MAC against the golden model."""
