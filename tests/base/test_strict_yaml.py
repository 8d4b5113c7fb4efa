"""Mappings read from a user's YAML file, with strict checks."""

import pytest

from halfbyte.base import UserError
from halfbyte.base.strict_yaml import check_keys, parse_mapping, read_mapping


def test_plain_mappings_are_read(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text("name: größer\nnumbers: [1, 0.5, 1/3]\n", encoding="utf-8")
    assert read_mapping(path, "a thing") == {"name": "größer", "numbers": [1, 0.5, "1/3"]}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "a thing must be a mapping of keys, not None"),
        ("- 1", "a thing must be a mapping"),
        ("a: 1\na: 2", "Key 'a' occurs twice"),
        ("a: {b: 1, b: 2}", "Key 'b' occurs twice"),
        ("a: &x 1\nb: *x", "aliases are not allowed"),
        ("a: [1", "not valid YAML: .* in line 1"),
        ("a: !!python/object/apply:os.system ['true']", "not valid YAML"),
        ("a: " + "[" * 3000, "not valid YAML"),
        (f"b: {'9' * 100}\na: {'9' * 101}", "in line 2 must have at most 100 digits, not 101"),
        (f"a: 0x{'f' * 99}", "in line 1 must have at most 100 digits, not 101"),
    ],
)
def test_anything_else_is_refused_in_one_line(text, message):
    with pytest.raises(UserError, match=message) as caught:
        parse_mapping(text, "a thing")
    assert "\n" not in str(caught.value)


def test_files_that_cannot_be_read_are_named(tmp_path):
    with pytest.raises(UserError, match=r"none\.yaml: cannot be read \(No such file"):
        read_mapping(tmp_path / "none.yaml", "a thing")
    binary = tmp_path / "binary.yaml"
    binary.write_bytes(b"\xff\xfe")
    with pytest.raises(UserError, match=r"binary\.yaml: the file is not a UTF-8 text file"):
        read_mapping(binary, "a thing")
    binary.write_text("# " + "x" * 100)
    with pytest.raises(UserError, match=r"binary\.yaml: a thing must have at most 50 bytes"):
        read_mapping(binary, "a thing", max_bytes=50)


def test_unknown_and_missing_keys_are_named():
    check_keys({"a": 1}, "a thing", ("a", "b"), required=("a",))
    with pytest.raises(UserError, match="Unknown key 'c' in a thing; allowed: a, b"):
        check_keys({"c": 1}, "a thing", ("a", "b"))
    with pytest.raises(UserError, match="Key 'b' is missing in a thing"):
        check_keys({"a": 1}, "a thing", ("a", "b"), required=("b",))


@pytest.mark.parametrize("text", ["010", "-017", "1:30", "1:30.5", "0_7"])
def test_octal_and_base_60_numbers_are_refused(text):
    """YAML 1.1 reads 010 as octal 8, and 1:30 in base 60 as 90."""
    with pytest.raises(UserError, match=f"in line 2 must be in decimal, not as '{text}'"):
        parse_mapping(f"a: 1\nb: [{text}, 1]", "A file")
    plain = parse_mapping("b: [0, -0, 10, 0.5, 007x, 1e-3, 0x10]", "A file")
    assert plain == {"b": [0, 0, 10, 0.5, "007x", "1e-3", 16]}
