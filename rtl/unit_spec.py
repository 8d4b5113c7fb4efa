"""``UnitSpec``: what every specification of a unit offers to synthesis, simulation and proofs.

A unit is a MAC or a dot-product unit.
"""

import threading
from collections.abc import Mapping, Sequence
from typing import Any, Protocol, Self

from amaranth.lib import wiring

from halfbyte.rtl.export import to_rtlil

__all__ = ["UnitSpec"]

# Threads share the counter with which Amaranth numbers its signals, so only one thread may
# elaborate a component at a time.
_elaborating = threading.Lock()


class UnitSpec(Protocol):
    """A frozen description of one unit, checked on construction.

    The same object describes the unit for RTL, simulation, synthesis, proofs and the GPU.
    """

    @property
    def name(self) -> str:
        """A name for modules and files, in lower case.

        Units whose ports or sums differ have different names.
        """

    @property
    def width(self) -> int:
        """Bits of the accumulator."""

    @property
    def code_bits(self) -> int:
        """Bits of one weight code and one activation code together."""

    @property
    def parts(self) -> Sequence[str]:
        """Names of the modules that are synthesized and proved correct, the whole unit first.

        The other modules are parts of the unit.
        """

    @property
    def content(self) -> Mapping[str, Any]:
        """Everything that the hardware depends on, as plain data.

        The key of a stored result is made from it.
        """

    @property
    def fields(self) -> Mapping[str, Any]:
        """The fields with which a record repeats the specification."""

    @property
    def arithmetic(self) -> Mapping[str, Any]:
        """Keyword arguments of the golden model's function for this unit."""

    def component(self) -> wiring.Component:
        """A new component of the whole unit; the architecture must not be ``auto``."""

    def part(self, name: str) -> wiring.Component:
        """A new component of one of the :attr:`parts`; the architecture must not be ``auto``."""

    def rtlil(self, part: str | None = None) -> str:
        """RTLIL text of one of the :attr:`parts`, the whole unit by default.

        The module has the name of the part.
        """
        name = part or self.parts[0]
        with _elaborating:
            return to_rtlil(self.part(name), name)

    def candidates(self) -> Sequence[Self]:
        """The unit in every architecture that fits, if its own is ``auto``; else only the unit."""
