"""Defines the error that is raised if a simulation does not confirm the design."""

from halfbyte.base import ToolError

__all__ = ["SimulationError"]


class SimulationError(ToolError):
    """Simulated RTL and golden model differ, or fewer products were checked than planned."""
