"""Add the products of lanes to an adder tree, as bits with positive or negative weights."""

from typing import TYPE_CHECKING

from amaranth.hdl import Cat, Instance, Module, Signal, Value

from halfbyte.rtl.dot.tree import Bit, SignedColumns

if TYPE_CHECKING:
    from halfbyte.rtl.dot.spec import DotSpec

__all__ = ["LANE", "add_products", "signed_digits"]

# The name of the lane's module. All lanes share it, so synthesis optimizes it only once.
LANE = "lane"
# Estimated arrival times of a lane's bits, in gate delays. The first is for a lane that gives a
# magnitude and a sign, the second for any other lane.
_LANE_DELAY, _GATE_DELAY = 3.0, 0.3


def signed_digits(weight: int) -> list[tuple[int, bool]]:
    """``weight`` as a sum of the fewest signed powers of two.

    Each entry ``(place, negative)`` stands for ``2**place``, or ``-2**place``. This is the
    non-adjacent form (Reitwiesner, Advances in Computers, 1960).
    """
    digits, place = [], 0
    while weight:
        if weight & 1:
            digit = 2 - weight % 4
            digits.append((place, digit < 0))
            weight -= digit
        weight >>= 1
        place += 1
    return digits


def add_products(
    m: Module, columns: SignedColumns, spec: "DotSpec", lanes: range, w: Value, a: Value
) -> None:
    """Add the products of ``lanes`` to ``columns``.

    ``w`` and ``a`` hold the codes of all lanes; those of lane 0 are in the lowest bits.
    """
    meaning = spec.lane_bits
    ready = _LANE_DELAY if meaning.counted else _GATE_DELAY
    outputs = []
    for number in lanes:
        bits = Signal(len(meaning.weights), name=f"lane{number}_bits")
        m.submodules[f"lane{number}"] = Instance(
            LANE,
            i_w=w.word_select(number, spec.weight.bits),
            i_a=a.word_select(number, spec.activation.bits),
            o_bits=bits,
        )
        outputs.append(bits)
        for place in meaning.single:
            weight = meaning.weights[place]
            columns.add(abs(weight).bit_length() - 1, Bit(bits[place], weight < 0, ready))
    columns.add_integer(len(lanes) * meaning.constant)
    for place in meaning.counted:
        _add_counted(m, columns, [bits[place] for bits in outputs], meaning.weights[place], ready)


def _add_counted(
    m: Module, columns: SignedColumns, bits: list[Value], weight: int, ready: float
) -> None:
    """Count the ones in ``bits``, and add ``weight`` times the count to ``columns``.

    The bits are counted in groups of ``2**n - 1``, for which full adders are enough.
    """
    while bits:
        width = (len(bits) + 1).bit_length() - 1
        size = (1 << width) - 1
        group, bits = bits[:size], bits[size:]
        counter = SignedColumns(width, style=columns.style)
        for bit in group:
            counter.add(0, Bit(bit, ready=ready))
        count = counter.total(m) if width > 1 else Cat(group[0])
        for digit, negative in signed_digits(weight):
            for place in range(width):
                # An estimate: 1.2 gate delays for each level of full adders, 1 for each carry
                late = ready + 1.2 * width + place
                columns.add(digit + place, Bit(count[place], negative, late))
