"""The final addition of a carry-save accumulator."""

from collections.abc import Sequence

from amaranth.hdl import Cat, Const, Module, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

__all__ = ["Resolve"]


class Resolve(wiring.Component):
    """Add the carries of a carry-save accumulator to its sum, modulo ``2**width``; combinational.

    This is a separate component so that synthesis can treat it separately: unlike the rest of the
    MAC, it may take longer than a clock period.

    Parameters
    ----------
    width : :class:`int`
        Bits of the sum.
    places : sequence of :class:`int`
        For each carry, the number of the bit of the sum to which it is added. The numbers ascend
        and are above 0; there is at least one.

    Members
    -------
    sum : ``In(width)``
        Sum without the carries.
    carries : ``In(len(places))``
        Carries that were saved, in the order of ``places``.
    total : ``Out(width)``
        The sum with its carries.
    """

    def __init__(self, *, width: int, places: Sequence[int]) -> None:
        self.width = width
        self.places = tuple(places)
        super().__init__({"sum": In(width), "carries": In(len(self.places)), "total": Out(width)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        word: list[Value] = [Const(0, 1)] * self.width
        for number, place in enumerate(self.places):
            word[place] = self.carries[number]
        # Below the first carry there is nothing to add
        first = self.places[0]
        upper = self.sum[first:] + Cat(*word[first:])
        m.d.comb += self.total.eq(Cat(self.sum[:first], upper))
        return m
