"""CRC-32C (Castagnoli, reflected, as RFC 3720), a byte at a time."""

from amaranth.hdl import Cat, Value

__all__ = ["START", "crc_of"]

_POLYNOMIAL = 0x82F63B78
_WIDTH = 32
START = 0xFFFFFFFF
"""The state before the first byte; after the last one, the CRC is its complement."""


def _terms() -> list[int]:
    """By bit of the state after a byte: which bits of state (0 to 31) and byte (32 to 39) it is
    the exclusive or of, as a mask.
    """
    state = [1 << bit for bit in range(_WIDTH)]
    for bit in range(8):
        feedback = state[0] ^ 1 << (_WIDTH + bit)
        state = [
            term ^ (feedback if _POLYNOMIAL >> place & 1 else 0)
            for place, term in enumerate([*state[1:], 0])
        ]
    return state


def crc_of(state: Value, byte: Value) -> Value:
    """The state (32 bits) after one more ``byte`` (8 bits)."""
    inputs = Cat(state, byte)
    return Cat(
        Cat(inputs[bit] for bit in range(_WIDTH + 8) if term >> bit & 1).xor()
        for term in _terms()
    )
