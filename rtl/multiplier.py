"""The multiplier architectures by name."""

import difflib

from halfbyte.formats import Format
from halfbyte.rtl.architecture import ArchitectureError, MultiplierArchitecture, check_formats
from halfbyte.rtl.baugh_wooley import BaughWooley
from halfbyte.rtl.booth import Booth
from halfbyte.rtl.exponent_shift import ExponentShift
from halfbyte.rtl.product_table import ProductTable
from halfbyte.rtl.shift_add import ShiftAdd
from halfbyte.rtl.sign_magnitude import SignMagnitude, SignMagnitudeEarly
from halfbyte.rtl.twos_complement import TwosComplement

__all__ = ["ARCHITECTURES", "applicable_architectures", "check_architecture", "multiplier"]

ARCHITECTURES: dict[str, type[MultiplierArchitecture]] = {
    architecture.name: architecture
    for architecture in (
        TwosComplement,
        SignMagnitude,
        SignMagnitudeEarly,
        ProductTable,
        ShiftAdd,
        ExponentShift,
        BaughWooley,
        Booth,
    )
}


def applicable_architectures(weight: Format, activation: Format) -> list[str]:
    """Names of the architectures that fit the two formats."""
    return [
        name
        for name, architecture in ARCHITECTURES.items()
        if architecture.refusal(weight, activation) is None
    ]


def check_architecture(name: str, weight: Format, activation: Format) -> None:
    """Raise :class:`ArchitectureError` if ``name`` is unknown or does not fit the formats.

    Raises TypeError if ``name`` is not a string or a format is not a :class:`Format`.
    """
    if not isinstance(name, str):
        raise TypeError(f"Architecture must be a name, not {name!r}")
    check_formats(weight, activation)
    if name == "auto":
        raise ArchitectureError(
            "Only synthesis (halfbyte.area.synthesize) can resolve architecture auto; give one of "
            f"these instead: {', '.join(applicable_architectures(weight, activation))}"
        )
    if name not in ARCHITECTURES:
        nearest = difflib.get_close_matches(name, ARCHITECTURES, n=1, cutoff=0.4)
        hint = f"; did you mean {nearest[0]}? Known:" if nearest else "; known:"
        raise ArchitectureError(
            f"Unknown architecture {name[:60]!r}{hint} auto, {', '.join(ARCHITECTURES)}"
        )
    ARCHITECTURES[name].check(weight, activation)


def multiplier(name: str, *, weight: Format, activation: Format) -> MultiplierArchitecture:
    """The multiplier component of architecture ``name``.

    Raises the same errors as :func:`check_architecture`.
    """
    check_architecture(name, weight, activation)
    return ARCHITECTURES[name](weight=weight, activation=activation)
