"""From YAML text to a :class:`Format`; every user's file and every shipped one passes here."""

import re
from collections.abc import Callable, Mapping
from fractions import Fraction
from pathlib import Path
from typing import Any

import yaml

from halfbyte.formats import families
from halfbyte.formats.errors import FormatError
from halfbyte.formats.model import MAX_BITS, MIN_BITS, Format, Ties, check_name
from halfbyte.formats.quantile import quantile_levels, round_to_grid

__all__ = ["DEFAULT_LUT_BITS", "exact_number", "parse_file", "parse_text"]

MAX_FILE_BYTES = 64 * 1024
DEFAULT_LUT_BITS = 8
# No more digits than any sensible table has: "1e999999999" must not become a number.
_NUMBER = re.compile(r"[+-]?(\d{1,20}(\.\d{0,20})?|\.\d{1,20})([eE][+-]?\d{1,2})?", re.ASCII)
_RATIO = re.compile(r"[+-]?\d{1,20}/\d{1,20}", re.ASCII)
_COMMON_KEYS = {"name", "title", "bits", "ties", "source"}


class _Loader(yaml.SafeLoader):
    """``SafeLoader`` that refuses duplicate keys, merged mappings and aliases."""

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.AliasEvent):
            raise FormatError("YAML aliases are not allowed in a format file")
        return super().compose_node(parent, index)

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
        seen: set[str] = set()
        for key_node, _ in node.value:
            key = str(key_node.value)
            if key_node.tag == "tag:yaml.org,2002:merge":
                raise FormatError("YAML merge keys are not allowed in a format file")
            if key in seen:
                raise FormatError(
                    f"Key {key!r} stands twice, again in line {key_node.start_mark.line + 1}"
                )
            seen.add(key)
        return super().construct_mapping(node, deep=deep)


def exact_number(key: str, value: object) -> Fraction:
    """An exact number: an integer, a decimal as written, or text like ``1/10``."""
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


def _integer(
    data: Mapping[str, Any], key: str, low: int, high: int, default: int | None = None
) -> int:
    value = data.get(key, default)
    if value is None:
        raise FormatError(f"Key {key!r} is missing")
    if type(value) is not int or not low <= value <= high:
        raise FormatError(f"{key} must be an integer from {low} to {high}, not {value!r:.60}")
    return value


def _text(data: Mapping[str, Any], key: str, default: str) -> str:
    value = data.get(key, default)
    if not isinstance(value, str):
        raise FormatError(f"{key} must be text, not {value!r:.60}")
    return value


def _values_family(data: Mapping[str, Any]) -> list[Fraction]:
    return _numbers("values", data["values"])


def _integer_family(data: Mapping[str, Any]) -> list[Fraction]:
    return families.integer(_integer(data, "bits", MIN_BITS, MAX_BITS))


def _with_optional_supernormal(data: Mapping[str, Any], values: list[Fraction]) -> list[Fraction]:
    if "supernormal" not in data:
        return values
    return families.with_supernormal(values, exact_number("supernormal", data["supernormal"]))


def _minifloat_family(data: Mapping[str, Any]) -> list[Fraction]:
    exponent_bits = _integer(data, "exponent_bits", 1, 4)
    mantissa_bits = _integer(data, "mantissa_bits", 0, 6)
    if exponent_bits + mantissa_bits + 1 > MAX_BITS:
        raise FormatError(
            f"A minifloat has at most {MAX_BITS} bits, not 1 + {exponent_bits} + {mantissa_bits}"
        )
    bias = _integer(data, "bias", -32, 32, default=max(1, 2 ** (exponent_bits - 1) - 1))
    values = families.minifloat(exponent_bits, mantissa_bits, bias)
    return _with_optional_supernormal(data, values)


def _apot_family(data: Mapping[str, Any]) -> list[Fraction]:
    terms = data.get("terms")
    if not isinstance(terms, list) or not 1 <= len(terms) <= MAX_BITS:
        raise FormatError(f"terms must be a list of lists of numbers, not {terms!r:.60}")
    choices = [_numbers(f"terms[{index}]", entry) for index, entry in enumerate(terms)]
    return _with_optional_supernormal(data, families.apot(choices))


def _quantile_family(data: Mapping[str, Any]) -> list[Fraction]:
    bits = _integer(data, "bits", MIN_BITS, MAX_BITS, default=4)
    nu = float(exact_number("nu", data["nu"])) if "nu" in data else None
    levels = quantile_levels(_text(data, "distribution", ""), bits, nu)
    return round_to_grid(levels, data.get("lut_bits", DEFAULT_LUT_BITS))


# Family: its own keys, and the function that makes its values.
_FAMILIES: dict[str, tuple[set[str], Callable[[Mapping[str, Any]], list[Fraction]]]] = {
    "values": ({"values"}, _values_family),
    "integer": (set(), _integer_family),
    "minifloat": ({"exponent_bits", "mantissa_bits", "bias", "supernormal"}, _minifloat_family),
    "apot": ({"terms", "supernormal"}, _apot_family),
    "quantile": ({"distribution", "nu", "lut_bits"}, _quantile_family),
}


def _family(data: Mapping[str, Any]) -> str:
    if ("values" in data) == ("family" in data):
        raise FormatError("A format states either 'values' or a 'family'")
    if "values" in data:
        return "values"
    known = sorted(set(_FAMILIES) - {"values"})
    if data["family"] not in known:
        raise FormatError(f"family must be one of {', '.join(known)}, not {data['family']!r:.60}")
    return str(data["family"])


def _bits_for(count: int) -> int:
    """Bits of a format that states none, from the number of its values."""
    return min(MAX_BITS, max(MIN_BITS, (count - 1).bit_length()))


def _build(data: Mapping[str, Any], nan_codes: object) -> Format:
    name = check_name(data.get("name"))
    family = _family(data)
    own_keys, make_values = _FAMILIES[family]
    unknown = sorted(
        str(key) for key in set(data) - own_keys - _COMMON_KEYS - {"family", "nan_codes"}
    )
    if unknown:
        allowed = ", ".join(sorted(own_keys | _COMMON_KEYS))
        raise FormatError(f"Unknown key {unknown[0]!r:.60}; the {family} family takes {allowed}")
    values = make_values(data)
    bits = _integer(data, "bits", MIN_BITS, MAX_BITS, default=_bits_for(len(values)))
    if len(values) != 2**bits:
        raise FormatError(f"{bits} bits need {2**bits} values, not {len(values)}")
    codes = _nan_codes(nan_codes, len(values))
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
    if not isinstance(codes, list) or not all(
        type(code) is int and 0 <= code < count for code in codes
    ):
        raise FormatError(
            f"nan_codes must be a list of codes from 0 to {count - 1}, not {codes!r:.60}"
        )
    if len(set(codes)) != len(codes) or len(codes) >= count:
        raise FormatError("nan_codes must name different codes, and not all of them")
    return tuple(sorted(codes))


def _saturate_nan(values: list[Fraction], nan_codes: tuple[int, ...]) -> list[Fraction]:
    """Let each NaN code carry the largest finite value of its sign."""
    finite = [value for code, value in enumerate(values) if code not in nan_codes]
    ends = {True: min(finite), False: max(finite)}
    return [ends[value < 0] if code in nan_codes else value for code, value in enumerate(values)]


def parse_text(text: str, *, lut_bits: int | None = None) -> Format:
    """Build a format from YAML text; ``lut_bits`` overrides the width of a quantile format's table.

    Raises
    ------
    FormatError
        With one line that says what is wanted and what came.
    """
    try:
        data = yaml.load(text, Loader=_Loader)  # noqa: S506 (a SafeLoader with more checks)
    except yaml.YAMLError as error:
        problem = getattr(error, "problem", None) or str(error).splitlines()[0]
        mark = getattr(error, "problem_mark", None)
        place = f" in line {mark.line + 1}" if mark else ""
        raise FormatError(f"Not valid YAML: {problem}{place}") from error
    except (RecursionError, ValueError) as error:
        if isinstance(error, FormatError):
            raise
        raise FormatError(f"Not valid YAML: {type(error).__name__}") from error
    if not isinstance(data, dict):
        raise FormatError(f"A format file must be a mapping of keys, not {type(data).__name__}")
    if lut_bits is not None:
        data = _with_lut_bits(data, lut_bits)
    return _build(data, data.get("nan_codes", []))


def _with_lut_bits(data: dict[str, Any], lut_bits: int) -> dict[str, Any]:
    if data.get("family") != "quantile":
        raise FormatError(f"Only a quantile format has a table width; {data.get('name')} has none")
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
    """Read a format file; errors begin with its name."""
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        raise FormatError(f"{path}: cannot be read ({error.strerror})") from error
    try:
        if len(raw) > MAX_FILE_BYTES:
            raise FormatError(f"A format file has at most {MAX_FILE_BYTES} bytes")
        return parse_text(raw.decode("utf-8"), lut_bits=lut_bits)
    except UnicodeDecodeError as error:
        raise FormatError(f"{path}: not a UTF-8 text file") from error
    except FormatError as error:
        raise FormatError(f"{path}: {error}") from error
