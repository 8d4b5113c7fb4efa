"""Proofs that a netlist equals its RTL, and that the RTL equals its specification."""
