"""Simulation of the DFloat11 decoder: compressed tensors, whole and damaged, through the RTL."""
