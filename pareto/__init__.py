"""Accuracy against area: the frontier, the plots, and the check of published claims."""

from halfbyte.pareto.axes import check_axis, default_axis, make_axis
from halfbyte.pareto.report import measured_frontier, write_report

__all__ = ["check_axis", "default_axis", "make_axis", "measured_frontier", "write_report"]
