"""Which architectures of a design are worth a synthesis."""

from halfbyte.formats import signed_width
from halfbyte.rtl import MacSpec

__all__ = ["promising"]

# Beyond these limits an architecture took over twice the area of the smallest, for all formats that
# were tried, and much of the run time. A table has a row for each pair of codes.
MAX_TABLE_BITS = 9
# If the architecture that adds exponents fits, integers with more bits than this are not tried.
MAX_INTEGER_BITS = 12
_TABLE, _EXPONENTS = "product_table", "exponent_shift"


def promising(design: MacSpec) -> list[MacSpec]:
    """The design in each architecture worth trying; only the design itself if it names one.

    The rule looks only at the formats' integers, so it is the same for all formats.
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
