"""Reads a clock that is given as a period, such as ``2ns``, or a frequency, such as ``1.2GHz``."""

import re

from halfbyte.base import UserError

__all__ = ["parse_clock"]

_CLOCK = re.compile(r"(\d{1,12}(?:\.\d{0,12})?|\.\d{1,12})\s*([a-z]+)", re.IGNORECASE)
_PERIODS = {"fs": 1e-3, "ps": 1.0, "ns": 1e3, "us": 1e6}  # in ps
_FREQUENCIES = {"khz": 1e9, "mhz": 1e6, "ghz": 1e3}  # the period in ps of 1 kHz, 1 MHz, 1 GHz
_LEAST_PS, _MOST_PS = 1.0, 1e9


def parse_clock(text: str) -> float:
    """The period of a clock in ps.

    Raises UserError unless ``text`` is a clock with a period from 1 ps to 1 ms.
    """
    match = _CLOCK.fullmatch(text.strip())
    unit = match[2].lower() if match else ""
    if match is None or unit not in {**_PERIODS, **_FREQUENCIES}:
        raise UserError(f"A clock must read like 2ns, 500ps or 1.2GHz, not {text[:40]!r}")
    number = float(match[1])
    if unit in _PERIODS:
        period = number * _PERIODS[unit]
    else:
        period = _FREQUENCIES[unit] / number if number else 0.0
    if not _LEAST_PS <= period <= _MOST_PS:
        raise UserError(
            f"A clock's period must be from 1 ps to 1 ms, but the clock is {text[:40]!r}"
        )
    return round(period, 3)
