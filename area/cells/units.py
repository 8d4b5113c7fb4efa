"""Reads the units that a Liberty library states."""

import re
from dataclasses import dataclass

from halfbyte.area.cells.liberty import Group
from halfbyte.base import UserError

__all__ = ["Units", "read_units"]

_SCALE = {"f": 1e-15, "p": 1e-12, "n": 1e-9, "u": 1e-6, "m": 1e-3, "": 1.0, "k": 1e3}
_UNIT = re.compile(
    r"(\d{0,9}(?:\.\d{0,12})?(?:e[+-]?\d{1,2})?)\s*([fpnumk]?)([a-z])[a-z]*", re.IGNORECASE
)


@dataclass(frozen=True)
class Units:
    """Factors from a library's units to ps, fF, nW and fJ.

    ``power`` is None if the library states no unit of leakage power.
    """

    time: float
    load: float
    power: float | None
    energy: float


def _factor(text: str, kind: str, target: float) -> float:
    """The factor that converts a unit such as ``1ns`` to another unit.

    ``target`` is the size of that other unit in SI units, such as 1e-12 for ps. ``kind`` is the
    first letter of the SI unit, such as ``s`` for seconds or ``f`` for farads.

    In ``text``, case does not matter, and spaces may surround the number. The unit may be written
    out (``1 nWatt``), and a micro sign means ``u``.
    """
    match = _UNIT.fullmatch(text.strip().replace("\u00b5", "u").replace("\u03bc", "u"))
    if match is None or match[3].lower() != kind:
        raise UserError(f"a unit must read like 1n{kind}, not {text[:40]!r}")
    try:
        number = float(match[1])
    except ValueError:
        number = 0.0
    if number == 0:
        raise UserError(f"a unit must read like 1n{kind}, not {text[:40]!r}")
    return number * _SCALE[match[2].lower()] / target


def read_units(library: Group) -> Units:
    """The factors for a library's units.

    Liberty's defaults stand in for missing units of time, load and voltage. Raises UserError for a
    malformed unit.
    """
    load = _factor(library.text("capacitive_load_unit", "1 pf"), "f", 1e-15)
    volt = _factor(library.text("voltage_unit", "1V"), "v", 1.0)
    power = library.text("leakage_power_unit")
    return Units(
        time=_factor(library.text("time_unit", "1ns"), "s", 1e-12),
        load=load,
        power=_factor(power, "w", 1e-9) if power else None,
        # In Liberty, the unit of internal energies follows from those of load and voltage.
        energy=load * volt**2,
    )
