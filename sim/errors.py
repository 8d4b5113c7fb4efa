"""Defines the error that is raised if a simulation does not confirm the design."""

from halfbyte.base import ToolError

__all__ = ["SimulationError"]


class SimulationError(ToolError):
    """A simulated design and the golden model differ, a test failed, or a check is missing."""
