"""Simulates the DFloat11 decoder: its RTL decodes compressed tensors, intact and damaged."""
