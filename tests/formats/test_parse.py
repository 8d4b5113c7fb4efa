"""Formats read from YAML. Everything that is not a format is refused with a message of one line."""

from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from halfbyte.base.strict_yaml import MAX_BYTES, MAX_DIGITS
from halfbyte.formats import Format, FormatError, Ties, load
from halfbyte.formats.parse import parse_file, parse_text

SIXTEEN = "values: [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15]"


def values(text: str) -> tuple[Fraction, ...]:
    return parse_text(f"name: mine\nvalues: {text}").values


def assert_refused(text: str, message: str) -> None:
    """Assert that the text is refused with one line that contains the message."""
    with pytest.raises(FormatError) as caught:
        parse_text(text)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 400


def test_values_make_a_format() -> None:
    fmt = parse_text(f"name: mine\ntitle: Mine\nsource: me\nties: even\n{SIXTEEN}")
    assert fmt == Format(
        name="mine",
        title="Mine",
        bits=4,
        values=tuple(Fraction(code) for code in range(16)),
        ties=Ties.EVEN,
        source="me",
    )


def test_only_name_and_values_are_needed() -> None:
    fmt = parse_text("name: mine\nvalues: [0, 1, -1, 2]")
    assert (fmt.title, fmt.source, fmt.ties, fmt.bits) == ("mine", "", Ties.DOWN, 2)


def test_numbers_are_exact_as_written() -> None:
    assert values("[0.1, 1/10, '0.1', 1e-1]") == (Fraction(1, 10),) * 4
    assert values("[+3, -.5, 5., 2E2]") == (3, Fraction(-1, 2), 5, 200)
    assert values("[-1/3, 2/6, 0, 1]") == (Fraction(-1, 3), Fraction(1, 3), 0, 1)


def test_families_and_their_parameters() -> None:
    assert parse_text("name: a\nfamily: integer\nbits: 3").values == (0, 1, 2, 3, -4, -3, -2, -1)
    minifloat = "name: a\nfamily: minifloat\nexponent_bits: 2\nmantissa_bits: 0"
    assert parse_text(minifloat).values == (0, 1, 2, 4, 0, -1, -2, -4)
    assert parse_text(f"{minifloat}\nsupernormal: 3").values == (0, 1, 2, 4, 3, -1, -2, -4)
    assert parse_text("name: a\nfamily: apot\nterms: [[0, 1/2, 1/4, 1/16], [0, 1/8]]").values[
        :8
    ] == tuple(Fraction(tenths, 10) for tenths in (0, 2, 8, 10, 4, 6, 1, 3))
    quantile = "name: a\nfamily: quantile\ndistribution: student_t\nnu: 5\nlut_bits: 6"
    assert parse_text(quantile).values == load("sf4@6").values


def test_nan_codes_get_the_largest_value_of_their_sign() -> None:
    fmt = parse_text("name: a\nvalues: [0, 3, -2, 9, 1, -1, 2, -9]\nnan_codes: [7, 3]")
    assert fmt.nan_codes == (3, 7)
    assert (fmt.values[3], fmt.values[7]) == (3, -2)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "must be a mapping of keys, not None"),
        ("# nothing", "must be a mapping of keys, not None"),
        ("- 1\n- 2", "must be a mapping of keys, not [1, 2]"),
        ("just text", "must be a mapping of keys, not 'just text'"),
        (f"name: a\n---\n{SIXTEEN}", "not valid YAML"),
        ("name: [", "not valid YAML"),
        ("name: a\n\tvalues: 3", "not valid YAML"),
        ("name: \x00", "not valid YAML"),
        ("name: !!python/object/apply:os.system ['true']", "not valid YAML"),
        ("[" * 5000, "not valid YAML"),
        (SIXTEEN, "Format name must be text, not NoneType"),
        (f"name: 4\n{SIXTEEN}", "Format name must be text, not int"),
        (f"name: no\n{SIXTEEN}", "Format name must be text, not bool"),
        (f"name: a\nname: b\n{SIXTEEN}", "Key 'name' occurs twice, again in line 2"),
        (f"name: a\n{SIXTEEN}\n{SIXTEEN}", "Key 'values' occurs twice"),
        ("name: a\nvalues: &x [0, 1]\ntitle: *x", "aliases are not allowed"),
        ("name: a\n<<: {values: [0, 1, 2, 3]}", "merge keys are not allowed"),
        (f"name: a\ncolour: red\n{SIXTEEN}", "Unknown key 'colour'; allowed in the values family"),
        (f"name: a\nlut_bits: 6\n{SIXTEEN}", "Unknown key 'lut_bits'"),
        (f"name: a\n1: 2\n{SIXTEEN}", "Unknown key '1'"),
        (f"name: a\n? [1, 2]\n: 3\n{SIXTEEN}", "not valid YAML"),
        ("name: a", "must state either 'values' or a 'family'"),
        (f"name: a\nfamily: integer\n{SIXTEEN}", "must state either 'values' or a 'family'"),
        ("name: a\nfamily: posit", "family must be one of apot, integer, minifloat, quantile"),
        ("name: a\nfamily: values", "family must be one of apot, integer, minifloat, quantile"),
        ("name: a\nfamily: [integer]", "family must be one of"),
        ("name: a\nfamily: {integer: 1}", "family must be one of"),
        (f"name: a\ntitle: 3\n{SIXTEEN}", "title must be text, not 3"),
        (f"name: a\nties: up\n{SIXTEEN}", "ties must be 'down' or 'even', not 'up'"),
        (f"name: a\nties: [down]\n{SIXTEEN}", "ties must be text, not ['down']"),
        (f"name: a\nbits: 3\n{SIXTEEN}", "3 bits need 8 values, not 16"),
        (f"name: a\nbits: 4.0\n{SIXTEEN}", "bits must be an integer from 2 to 8, not 4.0"),
    ],
)
def test_bad_files_are_refused(text: str, message: str) -> None:
    assert_refused(text, message)


@pytest.mark.parametrize(
    ("numbers", "message"),
    [
        ("[]", "2 bits need 4 values, not 0"),
        ("[1]", "2 bits need 4 values, not 1"),
        ("[0, 1, 2]", "2 bits need 4 values, not 3"),
        ("[0, 1, 2, 3, 4]", "3 bits need 8 values, not 5"),
        (str(list(range(15))), "4 bits need 16 values, not 15"),
        (str(list(range(17))), "5 bits need 32 values, not 17"),
        (str(list(range(512))), "8 bits need 256 values, not 512"),
        ("7", "values must be a list of numbers, not 7"),
        ("null", "values must be a list of numbers, not None"),
        ("{0: 1}", "values must be a list of numbers"),
        ("[0, one, 2, 3]", "values[1] must be a finite number such as 6, 0.5 or 1/10, not 'one'"),
        ("[0, 1, .inf, 3]", "values[2] must be a finite number"),
        ("[0, 1, -.inf, 3]", "values[2] must be a finite number"),
        ("[0, 1, .nan, 3]", "values[2] must be a finite number"),
        ("[0, 1, inf, 3]", "values[2] must be a finite number"),
        ("[0, 1, 1e999, 3]", "values[2] must be a finite number"),
        ("[0, 1, 1.0e+999, 3]", "values[2] must be a finite number"),
        ("[0, 1, 1e-999999999, 3]", "values[2] must be a finite number"),
        ("[0, 1, 1/0, 3]", "values[2] must be a finite number"),
        ("[0, 1, true, 3]", "values[2] must be a finite number"),
        ("[0, 1, null, 3]", "values[2] must be a finite number"),
        ("[0, 1, [2], 3]", "values[2] must be a finite number"),
        ("[0, 1, 2024-01-01, 3]", "values[2] must be a finite number"),
        ("[0, 1, '٣', 3]", "values[2] must be a finite number"),
        (f"[0, 1, {'9' * 5000}, 3]", ""),
        ("[0, 1, 1e30, 3]", "bits of magnitude; at most 20 are supported"),
        ("[0, 0, 0, 0]", "at least one value must be positive"),
    ],
)
def test_bad_values_are_refused(numbers: str, message: str) -> None:
    assert_refused(f"name: a\nvalues: {numbers}", message)


@pytest.mark.parametrize(
    "name", ["../x", "a;rm", "Mac", "class", "é", "''", "a b", "/etc/passwd", "$(id)", '"a\\n"']
)
def test_hostile_names_are_refused(name: str) -> None:
    assert_refused(f"name: {name}\n{SIXTEEN}", "Format name must be a lower-case Python identifier")


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ("integer", "Key 'bits' is missing"),
        ("integer\nbits: 9", "bits must be an integer from 2 to 8, not 9"),
        ("integer\nbits: 4\nbias: 1", "Unknown key 'bias'; allowed in the integer family"),
        ("minifloat\nmantissa_bits: 1", "Key 'exponent_bits' is missing"),
        ("minifloat\nexponent_bits: 5\nmantissa_bits: 2", "exponent_bits must be an integer"),
        ("minifloat\nexponent_bits: 4\nmantissa_bits: 4", "at most 8 bits, not 1 + 4 + 4"),
        ("minifloat\nexponent_bits: 2\nmantissa_bits: 1\nbias: 99", "bias must be an integer"),
        ("minifloat\nexponent_bits: 1\nmantissa_bits: 0\nsupernormal: x", "supernormal must be"),
        (
            "minifloat\nexponent_bits: 2\nmantissa_bits: 1\nsupernormal: 6",
            "Supernormal value 6 is a value of the format already",
        ),
        ("minifloat\nexponent_bits: 2\nmantissa_bits: 1\nbits: 5", "5 bits need 32 values, not 16"),
        ("apot", "terms must be a list of 1 to 8 lists of numbers, not None"),
        ("apot\nterms: []", "terms must be a list of 1 to 8 lists of numbers"),
        ("apot\nterms: [1, 2]", "terms[0] must be a list of numbers, not 1"),
        ("apot\nterms: [[0, 1, 2]]", "must have 2, 4, 8, ... entries, not 3"),
        ("apot\nterms: [[0, 0], [0, 0]]", "must have a positive sum"),
        ("apot\nterms: [[1, 2]]\nsupernormal: 3", "needs a format with a code for negative zero"),
        (f"apot\nterms: {[[0, 1, 2, 3]] * 8}", "have at most 128 sums"),
        ("quantile", "Distribution must be normal or student_t, not ''"),
        ("quantile\ndistribution: student_t", "'nu' belongs to the student_t distribution"),
        ("quantile\ndistribution: student_t\nnu: .nan", "nu must be a finite number"),
        ("quantile\ndistribution: student_t\nnu: 0", "nu must be 0.5 to 1e+06"),
        ("quantile\ndistribution: normal\nlut_bits: 8.0", "lut_bits must be an integer"),
        ("quantile\ndistribution: normal\nlut_bits: 3", "lut_bits must be an integer"),
        ("quantile\ndistribution: normal\nbits: 99", "bits must be an integer from 2 to 8, not 99"),
    ],
)
def test_bad_parameters_of_families_are_refused(parameters: str, message: str) -> None:
    assert_refused(f"name: a\nfamily: {parameters}", message)


@pytest.mark.parametrize(
    ("codes", "message"),
    [
        ("7", "nan_codes must be a list of codes from 0 to 3, not 7"),
        ("[4]", "nan_codes must be a list of codes from 0 to 3"),
        ("[-1]", "nan_codes must be a list of codes from 0 to 3"),
        ("[true]", "nan_codes must be a list of codes from 0 to 3"),
        ("[1, 1]", "must name different codes, and not all of them"),
        ("[0, 1, 2, 3]", "must name different codes, and not all of them"),
    ],
)
def test_bad_nan_codes_are_refused(codes: str, message: str) -> None:
    assert_refused(f"name: a\nvalues: [0, 1, 2, 3]\nnan_codes: {codes}", message)


def test_impossible_ties_to_even_are_refused() -> None:
    assert_refused("name: a\nties: even\nvalues: [0, 2, 1, 3]", "'ties: even' needs one even code")


def test_a_small_alias_bomb_is_refused_at_once() -> None:
    bomb = "a0: &a0 [1]\n" + "".join(
        f"a{level}: &a{level} [{', '.join([f'*a{level - 1}'] * 9)}]\n" for level in range(1, 9)
    )
    assert_refused(bomb, "aliases are not allowed")


def test_errors_of_files_begin_with_the_path(tmp_path: Path) -> None:
    def refused(content: bytes, message: str) -> None:
        path = tmp_path / "mine.yaml"
        path.write_bytes(content)
        for reader in (parse_file, load):
            with pytest.raises(FormatError) as caught:
                reader(path)
            assert str(caught.value) == f"{path}: {message}"

    refused(b"\xff\xfe\x00", "the file is not a UTF-8 text file")
    refused(b"", "A format file must be a mapping of keys, not None")
    refused(b"#" * (MAX_BYTES + 1), f"A format file must have at most {MAX_BYTES} bytes")
    refused(b"name: a\nvalues: [0, 1, 2]", "2 bits need 4 values, not 3")


def test_unreadable_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(FormatError, match=r"none\.yaml: cannot be read \(No such file"):
        load(tmp_path / "none.yaml")
    with pytest.raises(FormatError, match=r"cannot be read \(Is a directory\)"):
        load(tmp_path)


@settings(max_examples=300)
@given(st.text(max_size=200))
def test_any_text_is_a_format_or_a_format_error(text: str) -> None:
    try:
        assert isinstance(parse_text(text), Format)
    except FormatError as error:
        assert "\n" not in str(error)


scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=8),
    st.sampled_from(["values", "quantile", "apot", "student_t", "1/2", "1e5", "*a", "&a 1", "!!x"]),
)
trees = st.recursive(
    scalars, lambda inner: st.one_of(st.lists(inner, max_size=9), st.dictionaries(scalars, inner))
)
keys = ["title", "bits", "ties", "source", "values", "family", "exponent_bits", "mantissa_bits"]
keys += ["bias", "supernormal", "terms", "distribution", "nu", "lut_bits", "nan_codes"]


@settings(max_examples=100)
@given(st.dictionaries(st.sampled_from(keys), trees, max_size=6))
def test_any_content_of_known_keys_is_a_format_or_a_format_error(
    content: dict[str, object],
) -> None:
    text = "name: fuzz\n" + "".join(f"{key}: {value}\n" for key, value in content.items())
    try:
        assert isinstance(parse_text(text), Format)
    except FormatError as error:
        assert "\n" not in str(error)


@pytest.mark.parametrize("number", ["9" * 5000, "0x" + "f" * 5000, "0" + "7" * 5000, "1:" * 2500])
def test_a_huge_number_is_refused_in_one_line(number: str) -> None:
    for text in (
        f"name: a\nbits: {number}\n{SIXTEEN}",
        f"name: a\nvalues: [1, {number.rstrip(':')}]",
    ):
        with pytest.raises(FormatError) as caught:
            parse_text(text)
        assert "\n" not in str(caught.value)
        assert len(str(caught.value)) < 400
    assert_refused(
        f"name: a\nbits: {'1' * 101}\n{SIXTEEN}", f"at most {MAX_DIGITS} digits, not 101"
    )


def test_a_byte_order_mark_is_skipped(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_bytes(b"\xef\xbb\xbf" + f"name: mine\n{SIXTEEN}".encode())
    assert parse_file(path).name == "mine"
