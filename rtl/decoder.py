"""Decoders, which turn a format's code into its value: one integer, or a sign and a magnitude.

Values are integers in units of the format's quantum, the largest number that divides all of them.
"""

from collections.abc import Sequence

from amaranth.hdl import Cat, Module, Value, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from halfbyte.formats import Format

__all__ = ["Decoder", "SignMagnitudeDecoder", "essential_bits", "lookup"]


def essential_bits(table: Sequence[int]) -> list[int]:
    """The address bits on which ``table`` (of 2^n entries) depends, in ascending order."""
    return [
        bit
        for bit in range((len(table) - 1).bit_length())
        if any(table[index] != table[index ^ (1 << bit)] for index in range(len(table)))
    ]


def lookup(m: Module, address: Value, table: Sequence[int], output: Value) -> None:
    """Drive ``output`` with ``table[address]``.

    ``table`` holds one integer for each value of ``address``. The circuit reads only the address
    bits on which the table depends.
    """
    bits = essential_bits(table)
    if not bits:
        m.d.comb += output.eq(table[0])
        return
    with m.Switch(Cat(*(address[bit] for bit in bits))):
        for row in range(2 ** len(bits)):
            index = sum((row >> place & 1) << bit for place, bit in enumerate(bits))
            with m.Case(row):
                m.d.comb += output.eq(table[index])


class Decoder(wiring.Component):
    """Decode a code to an integer, in units of the quantum; combinational.

    Parameters
    ----------
    fmt : :class:`Format`
        Format to decode.

    Members
    -------
    code : ``In(fmt.bits)``
        Code to decode.
    integer : ``Out(signed(fmt.integer_width))``
        Value of the code in units of ``fmt.quantum``.
    """

    def __init__(self, *, fmt: Format) -> None:
        self.fmt = fmt
        super().__init__({"code": In(fmt.bits), "integer": Out(signed(fmt.integer_width))})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        lookup(m, self.code, self.fmt.integers, self.integer)
        return m


class SignMagnitudeDecoder(wiring.Component):
    """Decode a code to sign and magnitude, in units of the quantum; combinational.

    The sign is not always a bit of the code: some formats give the code of negative zero to another
    value.

    Parameters
    ----------
    fmt : :class:`Format`
        Format to decode.

    Members
    -------
    code : ``In(fmt.bits)``
        Code to decode.
    negative : ``Out(1)``
        High for values below zero, and low for values above. For zero it may be high or low.
    magnitude : ``Out(fmt.magnitude_width)``
        Magnitude of the code's value in units of ``fmt.quantum``.
    """

    def __init__(self, *, fmt: Format) -> None:
        self.fmt = fmt
        super().__init__(
            {"code": In(fmt.bits), "negative": Out(1), "magnitude": Out(fmt.magnitude_width)}
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        lookup(m, self.code, sign_table(self.fmt), self.negative)
        lookup(m, self.code, [abs(integer) for integer in self.fmt.integers], self.magnitude)
        return m


def sign_table(fmt: Format) -> list[int]:
    """The sign of each code, 1 if negative.

    If every nonzero value has its sign in the top bit of the code, that bit gives the sign of zero,
    too. The table then depends on that bit alone.
    """
    top = 1 << (fmt.bits - 1)
    by_top_bit = [1 if code & top else 0 for code in range(2**fmt.bits)]
    agrees = all(
        integer == 0 or (integer < 0) == bool(bit)
        for integer, bit in zip(fmt.integers, by_top_bit, strict=True)
    )
    return by_top_bit if agrees else [int(integer < 0) for integer in fmt.integers]
