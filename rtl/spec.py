"""``MacSpec``: the specification of a MAC, for RTL, simulation, synthesis, proofs and the GPU."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

from amaranth.lib import wiring

from halfbyte.base import UserError
from halfbyte.formats import (
    Format,
    Overflow,
    check_acc_width,
    check_terms,
    lossless_acc_width,
)
from halfbyte.rtl.architecture import MultiplierArchitecture, check_formats
from halfbyte.rtl.mac import Mac
from halfbyte.rtl.multiplier import (
    ARCHITECTURES,
    applicable_architectures,
    check_architecture,
    multiplier,
)
from halfbyte.rtl.unit_spec import UnitSpec

__all__ = ["AUTO", "MacSpec", "check_segment"]

AUTO = "auto"
# The names of the modules that are synthesized and proved correct.
_MAC, _MULTIPLIER = "mac", "multiplier"
# Longer names are hard to read, and file names add a suffix.
_MAX_NAME = 90
_DIGEST_DIGITS = 8


def check_segment(segment: int | None, acc_width: int, overflow: Overflow) -> int | None:
    """Return ``segment`` if a carry-save accumulator can have segments of that many bits.

    Such an accumulator saves the carry out of each segment except the last in a register. If
    ``segment`` is None, the result is None: an accumulator without segments. Raises TypeError
    for anything but an int or None. Raises UserError if an int is not 1 to ``acc_width - 1``, or if
    ``overflow`` is not ``WRAP``.
    """
    if segment is None:
        return None
    if isinstance(segment, bool) or not isinstance(segment, int):
        raise TypeError(f"Segment must be an int, not {segment!r}")
    if not 1 <= segment < acc_width:
        raise UserError(
            f"Segment must be at least 1 and less than the accumulator's {acc_width} bits, "
            f"not {segment}"
        )
    if overflow is not Overflow.WRAP:
        raise UserError(
            f"A carry-save accumulator must wrap, not {overflow.value}: whether a sum "
            "leaves the range is not known before the final addition"
        )
    return segment


@dataclass(frozen=True)
class MacSpec(UnitSpec):
    """The specification of a MAC. :class:`halfbyte.rtl.Mac` says what it does.

    Parameters
    ----------
    weight, activation : Format
        Operand formats.
    architecture : str
        Multiplier architecture: a key of ``rtl.ARCHITECTURES``, or ``auto`` to let synthesis
        choose the smallest that fits. A MAC with ``auto`` cannot be built.
    terms : int
        Number of products in the longest sum. The lossless width of the accumulator is just enough
        for every such sum.
    acc_width : int, optional
        Accumulator bits, instead of the lossless width.
    overflow : Overflow
        What happens to a sum outside the accumulator's range.
    enable : bool
        Whether there is an ``enable`` port.
    segment : int, optional
        Bits of a segment of a carry-save accumulator, in which a register saves the carry from each
        segment to the next. None for an ordinary accumulator.

    Raises
    ------
    TypeError
        A parameter has the wrong type.
    UserError
        A value is out of range, or the architecture does not fit (ArchitectureError).
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
        check_formats(self.weight, self.activation)
        check_terms(self.terms)
        if self.acc_width is not None:
            check_acc_width(self.acc_width)
        if not isinstance(self.overflow, Overflow):
            raise TypeError(f"Overflow must be an Overflow, not {self.overflow!r}")
        if not isinstance(self.enable, bool):
            raise TypeError(f"Enable must be a bool, not {self.enable!r}")
        if self.architecture != AUTO:
            check_architecture(self.architecture, self.weight, self.activation)
        check_segment(self.segment, check_acc_width(self.width), self.overflow)

    @property
    def lossless_width(self) -> int:
        """Bits of the smallest accumulator that holds every sum of ``terms`` products."""
        return lossless_acc_width(self.weight, self.activation, self.terms)

    @property
    def width(self) -> int:
        """Bits of the accumulator."""
        return self.lossless_width if self.acc_width is None else self.acc_width

    @property
    def is_lossless(self) -> bool:
        """Whether the accumulator holds every sum of ``terms`` products."""
        return self.width >= self.lossless_width

    @property
    def code_bits(self) -> int:
        """Bits of a weight code and an activation code together."""
        return self.weight.bits + self.activation.bits

    @property
    def term_bits(self) -> int:
        """Bits of the multiplier's output ``term``; the architecture must not be ``auto``."""
        shape = ARCHITECTURES[self.architecture].term_shape(self.weight, self.activation)
        return int(shape.width)

    @property
    def title(self) -> str:
        """Formats and architecture as text for people, such as ``e2m1 x int8, sign_magnitude``."""
        return f"{self.weight.name} x {self.activation.name}, {self.architecture}"

    @property
    def name(self) -> str:
        """A name for modules and files, made from all that the ports and sums depend on.

        For example ``mac_e2m1_int8_sign_magnitude_acc20_saturate_enable``. A name that would be too
        long is truncated and ends with a digest.
        """
        formats = dict.fromkeys((self.weight.name, self.activation.name))
        words = ["mac", *formats, self.architecture, f"acc{self.width}", self.overflow.value]
        words += ["enable"] if self.enable else []
        words += [f"segment{self.segment}"] if self.segment else []
        name = "_".join(words)
        if len(name) <= _MAX_NAME:
            return name
        digest = hashlib.sha256(name.encode()).hexdigest()[:_DIGEST_DIGITS]
        return f"{name[: _MAX_NAME - _DIGEST_DIGITS - 1]}_{digest}"

    @property
    def parts(self) -> Sequence[str]:
        """Names of the modules that are synthesized and proved correct: the MAC, its multiplier."""
        return (_MAC, _MULTIPLIER)

    @property
    def content(self) -> dict[str, Any]:
        """Everything that the hardware depends on, as plain data.

        The key of a stored result is made from it.
        """
        return {
            "formats": [
                [fmt.bits, fmt.integers, fmt.nan_codes] for fmt in (self.weight, self.activation)
            ],
            "architecture": self.architecture,
            "terms": self.terms,
            "acc_width": self.width,
            "overflow": self.overflow.value,
            "enable": self.enable,
            "segment": self.segment,
        }

    @property
    def fields(self) -> dict[str, Any]:
        """The fields with which a record repeats the specification."""
        return {
            "format": self.weight.name,
            "activation": self.activation.name,
            "unit": _MAC,
            "architecture": self.architecture,
            "terms": self.terms,
            "acc_width": self.width,
            "overflow": self.overflow.value,
            "enable": self.enable,
            "segment": self.segment,
        }

    @property
    def arithmetic(self) -> dict[str, Any]:
        """Keyword arguments of ``mac_stream`` in the golden model and on the GPU."""
        return {
            "weight": self.weight,
            "activation": self.activation,
            "acc_width": self.width,
            "overflow": self.overflow,
        }

    def component(self) -> Mac:
        """A new MAC. Raises ArchitectureError if the architecture is ``auto``."""
        return Mac(self)

    def multiplier(self) -> MultiplierArchitecture:
        """A new multiplier alone. Raises ArchitectureError if the architecture is ``auto``."""
        return multiplier(self.architecture, weight=self.weight, activation=self.activation)

    def part(self, name: str) -> wiring.Component:
        """A new component of one of the :attr:`parts`.

        Raises ArchitectureError if the architecture is ``auto``.
        """
        return {_MAC: self.component, _MULTIPLIER: self.multiplier}[name]()

    def candidates(self) -> list[Self]:
        """The MAC in every architecture that fits, if its own is ``auto``; else only the MAC."""
        if self.architecture != AUTO:
            return [self]
        names = applicable_architectures(self.weight, self.activation)
        return [replace(self, architecture=name) for name in names]
