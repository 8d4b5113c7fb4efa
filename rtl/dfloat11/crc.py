"""CRC-32C (Castagnoli polynomial, reflected, as in RFC 3720), several bits at a time."""

from collections import Counter
from functools import cache, reduce
from itertools import combinations
from operator import xor

from amaranth.hdl import Module, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

__all__ = ["START", "Crc"]

_POLYNOMIAL = 0x82F63B78
_WIDTH = 32
START = 0xFFFFFFFF
"""The state before the first byte. The CRC is the complement of the state after the last byte."""

_Sums = tuple[frozenset[int], ...]


def _following(bits: int) -> list[set[int]]:
    """For each bit of the next state, the numbers of the terms whose sum, modulo 2, is this bit.

    Term ``n`` is bit ``n`` of the state, plus bit ``n`` of the data if there is one.
    """
    state = [{place} for place in range(_WIDTH)]
    for _ in range(bits):
        feedback = state[0]
        shifted: list[set[int]] = [*state[1:], set()]
        state = [
            before ^ feedback if _POLYNOMIAL >> tap & 1 else before
            for tap, before in enumerate(shifted)
        ]
    return state


@cache
def _shared(bits: int) -> tuple[tuple[tuple[int, int], ...], _Sums]:
    """Pairs of terms that several sums share, and the terms of each sum.

    In the sums, term 32 + n is the sum of pair n. The pairs are chosen one by one, each time the
    pair that occurs in the most sums (C. Paar, "Optimized arithmetic for Reed-Solomon encoders",
    ISIT 1997).
    """
    sums = _following(bits)
    pairs: list[tuple[int, int]] = []
    while True:
        found = Counter(pair for terms in sums for pair in combinations(sorted(terms), 2))
        pair = min(found, key=lambda pair: (-found[pair], pair))
        if found[pair] == 1:
            return tuple(pairs), tuple(map(frozenset, sums))
        for terms in sums:
            if terms.issuperset(pair):
                terms.difference_update(pair)
                terms.add(_WIDTH + len(pairs))
        pairs.append(pair)


class Crc(wiring.Component):
    """Compute the state of the CRC after some more bits of data; combinational.

    Every bit of the next state is a sum, modulo 2, of bits of the state and of the data. If several
    sums have the same two terms, the two are added only once. Synthesis does not find such pairs by
    itself.

    Parameters
    ----------
    bits : :class:`int`
        Bits of data in a step, 1 to 32.

    Members
    -------
    state : ``In(32)``
        The state before the step.
    data : ``In(bits)``
        The bits of data; the first is the least significant.
    following : ``Out(32)``
        The state after the step.
    """

    def __init__(self, *, bits: int = 8) -> None:
        self.bits = bits
        super().__init__({"state": In(_WIDTH), "data": In(bits), "following": Out(_WIDTH)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        terms: list[Value] = list(self.state[self.bits :])
        changed = Signal(self.bits)
        m.d.comb += changed.eq(self.state[: self.bits] ^ self.data)
        terms = [*changed, *terms]
        pairs, sums = _shared(self.bits)
        for one, other in pairs:
            both = Signal(name=f"shared_{one}_{other}")
            m.d.comb += both.eq(terms[one] ^ terms[other])
            terms.append(both)
        for place, chosen in enumerate(sums):
            m.d.comb += self.following[place].eq(reduce(xor, (terms[n] for n in sorted(chosen))))
        return m
