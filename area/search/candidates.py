"""Chooses the multiplier architectures in which a design is synthesized.

A recipe is a fixed sequence of synthesis steps. The quick recipe is the shortest of those that are
used when there is no clock to meet.
"""

from halfbyte.formats import Format, signed_width
from halfbyte.rtl import MacSpec

__all__ = ["likely", "promising"]

# The next two limits exclude architectures that were more than twice as large as the smallest one,
# for all formats that were tried, and that took much of the run time.
# A product table, which has a row for each pair of codes, is tried only with at most this many
# address bits.
MAX_TABLE_BITS = 9
# If a format's integers have more bits than this, only the architecture that adds exponents is
# tried, provided that it can multiply the two formats.
MAX_INTEGER_BITS = 12
_TABLE, _EXPONENTS = "product_table", "exponent_shift"
# A product table with this many address bits or more was never the smallest architecture.
LARGE_TABLE_BITS = 8
# For two's complement codes of this many bits or more, sign_magnitude took twice the area of booth.
WIDE_INTEGER_BITS = 6
_MAGNITUDES, _NEGATED, _SIGNED = "sign_magnitude", "sign_magnitude_early", "twos_complement"
_DIGITS = "booth"


def promising(design: MacSpec) -> list[MacSpec]:
    """The design in each architecture that is worth trying.

    Returns only the design itself if its architecture is already chosen. The choice depends only on
    the formats' integers and widths and on the architectures that can multiply them, never on a
    format's name.
    """
    candidates = design.candidates()
    if len(candidates) == 1:
        return candidates
    names = {candidate.architecture for candidate in candidates}
    widths = [
        signed_width(min(fmt.integers), max(fmt.integers))
        for fmt in (design.weight, design.activation)
    ]
    hopeless = set()
    if design.code_bits > MAX_TABLE_BITS:
        hopeless.add(_TABLE)
    if _EXPONENTS in names and max(widths) > MAX_INTEGER_BITS:
        hopeless |= names - {_EXPONENTS}
    kept = [candidate for candidate in candidates if candidate.architecture not in hopeless]
    return kept or candidates


def likely(design: MacSpec) -> list[MacSpec]:
    """The design in each promising architecture that may be the smallest; at least one.

    The search makes a sketch, a short synthesis (:mod:`halfbyte.area.search.sketches`), of each of
    these. If the codes are too wide for sketches, it synthesizes each of these with the quick
    recipe instead. It synthesizes the other promising architectures only if the caller asks for a
    clock or for every architecture, or if all sketches fail. For every shipped format, the smallest
    architecture is among the likely ones. In a test of 20 random formats with the quick recipe,
    ``twos_complement`` and ``sign_magnitude_early`` were at least 2 % larger than the smallest
    wherever this function leaves them out.
    """
    found = promising(design)
    formats = design.weight, design.activation
    names = {candidate.architecture for candidate in found}
    unlikely = set()
    if design.code_bits >= LARGE_TABLE_BITS:
        unlikely.add(_TABLE)
    if all(min(fmt.integers) < 0 for fmt in formats):
        unlikely.add(_SIGNED)
    # Negating the product in the multiplier itself (early) does not pay if every sign is a bit of
    # the code, since such a sign needs no logic. It does not pay either if ``booth`` can multiply
    # the formats, because that architecture is smaller.
    if _DIGITS in names or all(map(_has_sign, formats)):
        unlikely.add(_NEGATED)
    if _DIGITS in names and min(fmt.bits for fmt in formats) >= WIDE_INTEGER_BITS:
        unlikely.add(_MAGNITUDES)
    return [candidate for candidate in found if candidate.architecture not in unlikely] or found


def _has_sign(fmt: Format) -> bool:
    """Whether setting a code's top bit negates its value, except for at most one pair of codes."""
    half = 1 << fmt.bits - 1
    pairs = zip(fmt.integers[:half], fmt.integers[half:], strict=True)
    return sum(plus != -minus for plus, minus in pairs) <= 1
