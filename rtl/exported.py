"""The base class of components that say how they are exported as Verilog."""

from collections.abc import Callable, Mapping, Sequence
from typing import ClassVar

from amaranth.lib import wiring

__all__ = ["Exported"]


class Exported(wiring.Component):
    """A component that is exported as a module of its own.

    Any other component can be exported too, without a reset and with a short header.
    """

    NEEDS_CLOCK: ClassVar[bool] = False
    """Whether the module has a port ``clk`` even without registers of its own.

    Modules that the component instantiates by name may need the clock.
    """
    NEEDS_RESET: ClassVar[bool] = False
    """Whether the module has a port ``rst``, a synchronous reset.

    Without a reset, the initial values of registers are unknown.
    """

    @property
    def modules(self) -> Mapping[str, Callable[[], wiring.Component]]:
        """Modules that this component instantiates by name, and that are exported with it.

        For each name there is a function that makes the module. Synthesis can replace a module of
        that name by another one, such as a library cell.
        """
        return {}

    def header(self) -> Sequence[str]:
        """Lines for the comment above the Verilog module: its function and its ports."""
        return ()
