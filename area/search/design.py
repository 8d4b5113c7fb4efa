"""``Design``: one MAC to be synthesized."""

import threading
from dataclasses import dataclass, replace

from halfbyte.area.synthesis.yosys import MAC
from halfbyte.formats import (
    Format,
    Overflow,
    check_acc_width,
    check_terms,
    lossless_acc_width,
)
from halfbyte.rtl import (
    Mac,
    applicable_architectures,
    check_architecture,
    check_segment,
    multiplier,
    to_rtlil,
)
from halfbyte.rtl.architecture import MultiplierArchitecture

__all__ = ["AUTO", "Design"]

AUTO = "auto"
# Amaranth numbers its signals with a counter that threads share.
_elaborating = threading.Lock()


@dataclass(frozen=True)
class Design:
    """One MAC to be synthesized.

    Parameters
    ----------
    weight, activation : Format
        Operand formats.
    architecture : str
        A key of ``rtl.ARCHITECTURES``, or ``auto`` for the smallest of those that fit.
    terms : int
        Products that the accumulator holds without loss.
    acc_width : int, optional
        Accumulator bits, instead of the lossless width.
    overflow : Overflow
        What a narrow accumulator does.
    enable : bool
        Whether there is an enable port; areas are of MACs without.
    segment : int, optional
        Bits of the accumulator after which a carry is saved (:class:`halfbyte.rtl.Mac`).

    Raises
    ------
    ArchitectureError, TypeError, ValueError
        On construction.
    """

    weight: Format
    activation: Format
    architecture: str = AUTO
    terms: int = 256
    acc_width: int | None = None
    overflow: Overflow = Overflow.WRAP
    enable: bool = False
    segment: int | None = None

    def __post_init__(self) -> None:
        check_terms(self.terms)
        if self.acc_width is not None:
            check_acc_width(self.acc_width)
        if self.architecture != AUTO:
            check_architecture(self.architecture, self.weight, self.activation)
        check_segment(self.segment, self.width, self.overflow)

    @property
    def width(self) -> int:
        """Bits of the accumulator."""
        return self.acc_width or lossless_acc_width(self.weight, self.activation, self.terms)

    @property
    def code_bits(self) -> int:
        """Bits of both codes together."""
        return self.weight.bits + self.activation.bits

    def candidates(self) -> list["Design"]:
        """The design in each architecture that fits, or itself if it names one."""
        if self.architecture != AUTO:
            return [self]
        names = applicable_architectures(self.weight, self.activation)
        return [replace(self, architecture=name) for name in names]

    @property
    def mac(self) -> Mac:
        """The MAC as a component; the architecture must be a named one."""
        return Mac(
            weight=self.weight,
            activation=self.activation,
            terms=self.terms,
            architecture=self.architecture,
            acc_width=self.acc_width,
            overflow=self.overflow,
            enable=self.enable,
            segment=self.segment,
        )

    @property
    def multiplier(self) -> MultiplierArchitecture:
        """The multiplier alone; the architecture must be a named one."""
        return multiplier(self.architecture, weight=self.weight, activation=self.activation)

    def rtlil(self, module: str = MAC) -> str:
        """The MAC or its multiplier as RTLIL; the architecture must be a named one."""
        with _elaborating:
            return to_rtlil(self.mac if module == MAC else self.multiplier, module)
