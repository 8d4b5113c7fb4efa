"""The information that a component gives for its export."""

from collections.abc import Callable, Mapping, Sequence
from typing import ClassVar

from amaranth.lib import wiring

__all__ = ["Exported"]


class Exported(wiring.Component):
    """A component that is exported as a module of its own.

    Any other component can be exported too, without a reset and with a short header.
    """

    NEEDS_CLOCK: ClassVar[bool] = False
    """Whether there is a port ``clk`` in any case: modules that it instantiates by name need it."""
    NEEDS_RESET: ClassVar[bool] = False
    """Whether there is a port ``rst``, a synchronous reset. Without it, registers start with any
    value."""

    @property
    def modules(self) -> Mapping[str, Callable[[], wiring.Component]]:
        """The modules that it instantiates by name, and for each a function that makes it.

        Since such a module has a name, a flow can put another one in its place.
        """
        return {}

    def header(self) -> Sequence[str]:
        """Lines for the comment above the Verilog module: what it does, what its ports mean."""
        return ()
