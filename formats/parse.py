"""Read a :class:`Format` from YAML text, in a shipped file or in a user's file."""

import re
from collections.abc import Callable, Mapping
from fractions import Fraction
from pathlib import Path

from halfbyte.base import UserError
from halfbyte.base.strict_yaml import parse_mapping, read_text
from halfbyte.formats import families
from halfbyte.formats.errors import FormatError
from halfbyte.formats.model import MAX_BITS, MIN_BITS, Format, Ties, check_name
from halfbyte.formats.quantile import (
    MAX_LUT_BITS,
    MIN_LUT_BITS,
    quantile_levels,
    round_to_grid,
)
from halfbyte.formats.rounding import rounded

__all__ = ["DEFAULT_LUT_BITS", "exact_number", "parse_file", "parse_text"]

DEFAULT_LUT_BITS = 8
# The digits are limited, so that text such as "1e999999999" does not become a huge number.
_NUMBER = re.compile(r"[+-]?(\d{1,20}(\.\d{0,20})?|\.\d{1,20})([eE][+-]?\d{1,2})?", re.ASCII)
_RATIO = re.compile(r"[+-]?\d{1,20}/\d{1,20}", re.ASCII)
_Data = Mapping[str, object]
_COMMON_KEYS = {"name", "title", "bits", "ties", "source", "nan_codes"}


def exact_number(key: str, value: object) -> Fraction:
    """The exact fraction for an integer, a decimal number, or text such as ``1/10``.

    Raises FormatError, which names ``key``, for any other value, and for a number with too many
    digits.
    """
    text = str(value).strip()
    if not isinstance(value, bool) and isinstance(value, int | float | str):
        if _NUMBER.fullmatch(text):
            return Fraction(text)
        if _RATIO.fullmatch(text) and int(text.split("/")[1]):
            return Fraction(text)
    raise FormatError(f"{key} must be a finite number such as 6, 0.5 or 1/10, not {value!r:.60}")


def _numbers(key: str, value: object) -> list[Fraction]:
    if not isinstance(value, list):
        raise FormatError(f"{key} must be a list of numbers, not {value!r:.60}")
    return [exact_number(f"{key}[{index}]", entry) for index, entry in enumerate(value)]


def _integer(data: _Data, key: str, low: int, high: int, default: int | None = None) -> int:
    """The integer under a key. Raises FormatError if it is not from ``low`` to ``high``.

    Without a default, the key must be there.
    """
    value = data.get(key, default)
    if value is None:
        raise FormatError(f"Key {key!r} is missing")
    if type(value) is not int or not low <= value <= high:
        raise FormatError(f"{key} must be an integer from {low} to {high}, not {value!r:.60}")
    return value


def _text(data: _Data, key: str, default: str) -> str:
    value = data.get(key, default)
    if not isinstance(value, str):
        raise FormatError(f"{key} must be text, not {value!r:.60}")
    return value


def _values_family(data: _Data) -> list[Fraction]:
    return _numbers("values", data["values"])


def _integer_family(data: _Data) -> list[Fraction]:
    return families.integer(_integer(data, "bits", MIN_BITS, MAX_BITS))


def _with_optional_supernormal(data: _Data, values: list[Fraction]) -> list[Fraction]:
    if "supernormal" not in data:
        return values
    return families.with_supernormal(values, exact_number("supernormal", data["supernormal"]))


def _minifloat_family(data: _Data) -> list[Fraction]:
    exponent_bits = _integer(data, "exponent_bits", 1, 4)
    mantissa_bits = _integer(data, "mantissa_bits", 0, 6)
    if exponent_bits + mantissa_bits + 1 > MAX_BITS:
        raise FormatError(
            f"A minifloat must have at most {MAX_BITS} bits, not 1 + {exponent_bits} + "
            f"{mantissa_bits} (sign, exponent, mantissa)"
        )
    # The default is the bias of IEEE 754 and OCP MX, or 1 for a single exponent bit.
    bias = _integer(data, "bias", -32, 32, default=max(1, 2 ** (exponent_bits - 1) - 1))
    values = families.minifloat(exponent_bits, mantissa_bits, bias)
    return _with_optional_supernormal(data, values)


def _apot_family(data: _Data) -> list[Fraction]:
    terms = data.get("terms")
    if not isinstance(terms, list) or not 1 <= len(terms) <= MAX_BITS:
        raise FormatError(
            f"terms must be a list of 1 to {MAX_BITS} lists of numbers, not {terms!r:.60}"
        )
    choices = [_numbers(f"terms[{index}]", entry) for index, entry in enumerate(terms)]
    return _with_optional_supernormal(data, families.apot(choices))


def _quantile_family(data: _Data) -> list[Fraction]:
    bits = _integer(data, "bits", MIN_BITS, MAX_BITS, default=4)
    nu = float(exact_number("nu", data["nu"])) if "nu" in data else None
    levels = quantile_levels(_text(data, "distribution", ""), bits, nu)
    lut_bits = _integer(data, "lut_bits", MIN_LUT_BITS, MAX_LUT_BITS, default=DEFAULT_LUT_BITS)
    return round_to_grid(levels, lut_bits)


# For each family: its own keys, and the function that makes its values.
_FAMILIES: dict[str, tuple[set[str], Callable[[_Data], list[Fraction]]]] = {
    "values": ({"values"}, _values_family),
    "integer": (set(), _integer_family),
    "minifloat": ({"exponent_bits", "mantissa_bits", "bias", "supernormal"}, _minifloat_family),
    "apot": ({"terms", "supernormal"}, _apot_family),
    "quantile": ({"distribution", "nu", "lut_bits"}, _quantile_family),
}


def _family(data: _Data) -> str:
    """The family of a format; ``values`` if the file lists the values."""
    if ("values" in data) == ("family" in data):
        raise FormatError(
            "A format file must state either 'values' or a 'family', not both or neither"
        )
    if "values" in data:
        return "values"
    known = sorted(set(_FAMILIES) - {"values"})
    if data["family"] not in known:
        raise FormatError(f"family must be one of {', '.join(known)}, not {data['family']!r:.60}")
    return str(data["family"])


def _bits_for(count: int) -> int:
    """Bits of a format that does not state them, from the number of its values."""
    return min(MAX_BITS, max(MIN_BITS, (count - 1).bit_length()))


def _build(data: _Data) -> Format:
    """Check all keys of a format file and make the format."""
    name = check_name(data.get("name"))
    family = _family(data)
    own_keys, make_values = _FAMILIES[family]
    unknown = sorted(str(key) for key in set(data) - own_keys - _COMMON_KEYS - {"family"})
    if unknown:
        allowed = ", ".join(sorted(own_keys | _COMMON_KEYS))
        raise FormatError(
            f"Unknown key {unknown[0]!r:.60}; allowed in the {family} family: {allowed}"
        )
    values = make_values(data)
    bits = _integer(data, "bits", MIN_BITS, MAX_BITS, default=_bits_for(len(values)))
    if len(values) != 2**bits:
        raise FormatError(f"{bits} bits need {2**bits} values, not {len(values)}")
    codes = _nan_codes(data.get("nan_codes", []), len(values))
    ties = _text(data, "ties", Ties.DOWN.value)
    if ties not in {rule.value for rule in Ties}:
        raise FormatError(f"ties must be 'down' or 'even', not {ties!r:.60}")
    return Format(
        name=name,
        title=_text(data, "title", name),
        bits=bits,
        values=tuple(_saturate_nan(values, codes)),
        ties=Ties(ties),
        source=_text(data, "source", ""),
        family=family,
        nan_codes=codes,
    )


def _nan_codes(codes: object, count: int) -> tuple[int, ...]:
    """Check the list under ``nan_codes``, for a format of ``count`` codes, and sort it."""
    if not isinstance(codes, list) or not all(
        type(code) is int and 0 <= code < count for code in codes
    ):
        raise FormatError(
            f"nan_codes must be a list of codes from 0 to {count - 1}, not {codes!r:.60}"
        )
    if len(set(codes)) != len(codes) or len(codes) >= count:
        raise FormatError(
            f"nan_codes must name different codes, and not all of them, not {codes!r:.60}"
        )
    return tuple(sorted(codes))


def _saturate_nan(values: list[Fraction], nan_codes: tuple[int, ...]) -> list[Fraction]:
    """Give each NaN code the highest finite value, or the lowest if its own value is negative."""
    finite = [value for code, value in enumerate(values) if code not in nan_codes]
    ends = {True: min(finite), False: max(finite)}
    return [ends[value < 0] if code in nan_codes else value for code, value in enumerate(values)]


def parse_text(text: str, *, lut_bits: int | None = None) -> Format:
    """Build a format from YAML text.

    ``lut_bits`` is the width of a value in the hardware's look-up table. For a quantile format, it
    replaces the ``lut_bits`` of the text. The values of any other format are rounded to this width
    (:func:`halfbyte.formats.rounding.rounded`).

    Raises
    ------
    FormatError
        The text does not describe a format. The message is one line: what is wanted, and what was
        given.
    """
    try:
        data = parse_mapping(text, "A format file")
    except UserError as error:
        raise FormatError(str(error)) from error
    if lut_bits is not None and data.get("family") == "quantile":
        return _build(_with_lut_bits(data, lut_bits))
    fmt = _build(data)
    return fmt if lut_bits is None else rounded(fmt, lut_bits)


def _with_lut_bits(data: _Data, lut_bits: int) -> _Data:
    """The keys of a quantile format with this ``lut_bits``.

    If the width differs from that in the file, the name and title state it.
    """
    if lut_bits == data.get("lut_bits", DEFAULT_LUT_BITS):
        return data
    title = _text(data, "title", str(data.get("name")))
    return {
        **data,
        "name": f"{data.get('name')}_lut{lut_bits}",
        "title": f"{title}, {lut_bits}-bit table",
        "lut_bits": lut_bits,
    }


def parse_file(path: Path, *, lut_bits: int | None = None) -> Format:
    """Read a format file. Raises FormatError, which names the file, if the file is not valid."""
    try:
        text = read_text(path, "A format file")
        return parse_text(text, lut_bits=lut_bits)
    except FormatError as error:
        raise FormatError(f"{path}: {error}") from error
    except UserError as error:
        raise FormatError(str(error)) from error
