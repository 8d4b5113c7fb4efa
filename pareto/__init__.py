"""Accuracy against area: the frontier, the plots, and what they say of published claims."""

from halfbyte.pareto.report import write_report

__all__ = ["write_report"]
