"""Simulation of dot-product units against the golden model."""
