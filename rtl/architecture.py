"""What all multiplier architectures share: their ports, and the check that they fit the formats."""

from abc import abstractmethod
from typing import ClassVar

from amaranth.hdl import Module, Shape, signed, unsigned
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from halfbyte.base import UserError
from halfbyte.formats import Format, product_extremes, signed_width

__all__ = [
    "MAX_TABLE_ROWS",
    "ArchitectureError",
    "MultiplierArchitecture",
    "PlainMultiplier",
    "check_formats",
    "check_table_rows",
    "magnitude_product_shape",
    "plain_integers_refusal",
    "signed_product_shape",
]

# A multiplier that is a table with more rows would be far larger than the other architectures.
MAX_TABLE_ROWS = 2**10


class ArchitectureError(UserError):
    """A multiplier architecture is unknown, does not fit the two formats, or is ``auto``.

    Only synthesis can resolve ``auto``.
    """


def check_formats(weight: object, activation: object) -> None:
    """Raise TypeError unless both operands' formats are :class:`Format` objects."""
    for side, fmt in (("Weight", weight), ("Activation", activation)):
        if not isinstance(fmt, Format):
            raise TypeError(f"{side} must be a Format, not {fmt!r}")


def check_table_rows(select_bits: int) -> str | None:
    """Why a table with ``select_bits`` address bits is too large, or None if it is not."""
    rows = 2**select_bits
    if rows <= MAX_TABLE_ROWS:
        return None
    return f"it would need a table of {rows} rows, more than {MAX_TABLE_ROWS}"


def plain_integers_refusal(weight: Format, activation: Format) -> str | None:
    """Why the codes cannot be multiplied as they are, or None if both formats are two's complement.

    In such a format, each code, read as a signed integer, is its own value in quanta.
    """
    for fmt in (weight, activation):
        half = 1 << (fmt.bits - 1)
        for code, integer in enumerate(fmt.integers):
            plain = (code ^ half) - half
            if integer != plain:
                return (
                    f"the codes of {fmt.name} are not two's complement integers: code "
                    f"{code:0{fmt.bits}b} stands for {integer} (in quanta), not {plain}"
                )
    return None


class MultiplierArchitecture(wiring.Component):
    """An exact, combinational multiplier of two codes.

    The outputs are a term and a bit that says whether to negate the term:
    ``product = -term if negate else term``, in units of ``weight.quantum * activation.quantum``. A
    quantum is the largest number that divides all values of a format. The adder that follows the
    multiplier does the negation.

    Parameters
    ----------
    weight, activation : :class:`Format`
        Operand formats.

    Members
    -------
    w, a : ``In(weight.bits)``, ``In(activation.bits)``
        Operand codes.
    term : ``Out(signed or unsigned)``
        The product, or its magnitude.
    negate : ``Out(1)``
        High if the product is ``-term``.

    Raises
    ------
    ArchitectureError
        The architecture does not fit the formats; the message gives the reason.
    """

    name: ClassVar[str]
    description: ClassVar[str]

    def __init__(self, *, weight: Format, activation: Format) -> None:
        self.check(weight, activation)
        self.weight = weight
        self.activation = activation
        super().__init__(
            {
                "w": In(weight.bits),
                "a": In(activation.bits),
                "term": Out(self.term_shape(weight, activation)),
                "negate": Out(1),
            }
        )

    @classmethod
    def refusal(cls, weight: Format, activation: Format) -> str | None:
        """Why the architecture does not fit the two formats, or None if it does."""
        return None

    @classmethod
    def check(cls, weight: Format, activation: Format) -> None:
        """Raise :class:`ArchitectureError` if the architecture does not fit the two formats."""
        reason = cls.refusal(weight, activation)
        if reason is not None:
            raise ArchitectureError(
                f"Architecture {cls.name} does not fit {weight.name} x {activation.name}: {reason}"
            )

    @classmethod
    @abstractmethod
    def term_shape(cls, weight: Format, activation: Format) -> Shape:
        """Shape of ``term``."""

    @abstractmethod
    def elaborate(self, platform: object) -> Module:
        """Build the circuit."""


class PlainMultiplier(MultiplierArchitecture):
    """A multiplier that takes two's complement codes as they are; ``term`` is the product."""

    @classmethod
    def refusal(cls, weight: Format, activation: Format) -> str | None:
        return plain_integers_refusal(weight, activation)

    @classmethod
    def term_shape(cls, weight: Format, activation: Format) -> Shape:
        return signed_product_shape(weight, activation)


def signed_product_shape(weight: Format, activation: Format) -> Shape:
    """The smallest signed shape that holds every product of the two formats."""
    return signed(signed_width(*product_extremes(weight, activation)))


def magnitude_product_shape(weight: Format, activation: Format) -> Shape:
    """The smallest unsigned shape that holds the magnitude of every product."""
    low, high = product_extremes(weight, activation)
    return unsigned(max(-low, high).bit_length())
