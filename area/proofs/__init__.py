"""Proofs that a netlist equals its RTL, and the RTL its specification."""
