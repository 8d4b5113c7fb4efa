"""Tests the parser of Liberty, the usual text format for cell libraries."""

import bz2
import gzip
import lzma
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from halfbyte.area.cells import packed_file
from halfbyte.area.cells.liberty import Group, parse_liberty, read_liberty
from halfbyte.base import UserError

SMALL = "library (demo) { time_unit : 1ns; cell (INV) { area : 2.5; } }"


def test_reads_simple_and_complex_attributes():
    library = parse_liberty('library ("demo") { a : 1ns; b (1, pf); c : "x y"; d : V + 0.5 ; }')
    assert library.arguments == ["demo"]
    assert library.attributes == {"a": "1ns", "b": ["1", "pf"], "c": "x y", "d": "V + 0.5"}


def test_skips_comments_and_continued_lines():
    text = 'library (x) { /* a : 1; } */ b : 2; // c : 3;\n values ( \\\n "1, 2", \\\n "3, 4" ); }'
    assert parse_liberty(text).attributes == {"b": "2", "values": ["1, 2", "3, 4"]}


def test_keeps_nested_groups_in_order():
    library = parse_liberty(
        "library (x) { cell (A) { pin (P) { } } define (a, b, c); cell (B) {} }"
    )
    assert [cell.arguments for cell in library.all("cell")] == [["A"], ["B"]]
    assert next(library.all("cell")).groups == [Group("pin", ["P"])]


def test_quoted_values_may_hold_punctuation_and_escaped_quotes():
    text = r'library (x) { function : "(A & !B); {" ; note : "say \"so\"" ; }'
    assert parse_liberty(text).attributes["function"] == "(A & !B); {"
    assert parse_liberty(text).attributes["note"] == 'say "so"'


def test_accepts_missing_semicolons_at_the_end_of_a_line():
    assert parse_liberty("library (x) {\n a : 1\n b : 2\n}").attributes == {"a": "1", "b": "2"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "line 1: expected 'library .*, not the end of the file"),
        ("module top; endmodule", "line 1: expected 'library .*, not 'module'"),
        (SMALL[:-1], "line 1: expected a name or a value, not the end of the file"),
        ("library (x) {\n\n cell (A { }\n}", "line 3: expected a name or a value, not '{'"),
        (SMALL + "\n}", "line 2: expected the end of the file, not '}'"),
        ('library (x) {\n a : "open; }', "line 2: "),
        ("library (x) {\n a : 5); }", "line 2: expected ';' or an earlier '[(]', not '[)]'"),
        ("library (x) {\n a : (5;\n}", "line 2: expected '[)]', not ';'"),
        ("library (x) {\n a : ); }", "line 2: expected a value, not '[)]'"),
        ("library (x) {" + "a () {" * 200, "line 1: expected .}. after 100 nested groups"),
    ],
)
def test_errors_name_file_and_line(text, message):
    with pytest.raises(UserError, match=rf"^demo\.lib, {message}"):
        parse_liberty(text, "demo.lib")


@given(st.text(alphabet='library(x){}:;,"/*\\\n a1', max_size=80))
def test_any_text_is_a_library_or_a_user_error(text):
    for candidate in (text, f"library (x) {{ {text}", f"library (x) {{ {text} }}"):
        try:
            assert parse_liberty(candidate).name == "library"
        except UserError:
            continue


words = st.from_regex(r"[A-Za-z_][A-Za-z0-9_.]{0,8}", fullmatch=True)
values = st.text(alphabet="ab1 ,&!(){};:*/", max_size=12)
groups = st.recursive(
    st.builds(Group, words, st.lists(values, max_size=3), st.dictionaries(words, values)),
    lambda children: st.builds(
        Group,
        words,
        st.lists(values, max_size=3),
        st.dictionaries(words, values | st.lists(values, min_size=1, max_size=3)),
        st.lists(children, max_size=3),
    ),
    max_leaves=8,
)


def write(group: Group) -> str:
    """A group as Liberty text."""

    def listed(texts):
        return ", ".join(f'"{text}"' for text in texts)

    attributes = [
        f"{name} ({listed(value)});" if isinstance(value, list) else f'{name} : "{value}";'
        for name, value in group.attributes.items()
    ]
    inner = "\n".join([*attributes, *map(write, group.groups)])
    return f"{group.name} ({listed(group.arguments)}) {{ /* {group.name} */\n{inner}\n}}"


@given(groups)
def test_reads_back_any_tree_of_groups(group):
    group.name = "library"
    assert parse_liberty(write(group)) == group


def test_reads_gzip_and_plain_files_alike(tmp_path):
    plain, packed = tmp_path / "a.lib", tmp_path / "b.lib.gz"
    plain.write_text(SMALL)
    packed.write_bytes(gzip.compress(SMALL.encode()))
    assert read_liberty(plain) == read_liberty(packed)


def test_missing_file_is_a_user_error():
    with pytest.raises(UserError, match=r"nowhere\.lib does not exist: give the path"):
        read_liberty(Path("nowhere.lib"))


def test_folder_is_a_user_error(tmp_path):
    with pytest.raises(UserError, match="cannot be read"):
        read_liberty(tmp_path)


@pytest.mark.parametrize("keep", [20, -12, -4])
def test_truncated_gzip_is_a_user_error(tmp_path, keep):
    path = tmp_path / "a.lib.gz"
    path.write_bytes(gzip.compress(SMALL.encode() * 20)[:keep])
    with pytest.raises(UserError, match="is a damaged gzip file"):
        read_liberty(path)


def test_corrupt_gzip_is_a_user_error(tmp_path):
    raw = bytearray(gzip.compress(SMALL.encode()))
    raw[len(raw) // 2] ^= 0xFF
    path = tmp_path / "a.lib.gz"
    path.write_bytes(raw)
    with pytest.raises(UserError, match="is a damaged gzip file"):
        read_liberty(path)


def test_refuses_files_beyond_the_limit(tmp_path, monkeypatch):
    monkeypatch.setattr(packed_file, "MAX_BYTES", 1000)
    plain, packed = tmp_path / "a.lib", tmp_path / "b.lib.gz"
    plain.write_text("/" * 1001)
    packed.write_bytes(gzip.compress(b"/" * 100_000))
    for path in (plain, packed):
        with pytest.raises(UserError, match="more than 1000 bytes"):
            read_liberty(path)


def test_refuses_a_device_that_has_no_end():
    with pytest.raises(UserError, match=r"Liberty file /dev/zero cannot be read \(it is a device"):
        read_liberty(Path("/dev/zero"))


@pytest.mark.parametrize("value", ["nan", "inf", "1e999", "two", ""])
def test_number_must_be_finite(value):
    group = parse_liberty(f'library (x) {{ area : "{value}"; }}')
    with pytest.raises(UserError, match="area must be a finite number"):
        group.number("area")


FUNCTION = """library (x) {
  cell (A) { function : (A & !B)'
             ; values ("0.1, \\
    0.2"); area : 2.5
    when : A |
      B; } }"""


def test_expressions_need_no_quotes_and_may_span_lines():
    (cell,) = parse_liberty(FUNCTION).all("cell")
    assert cell.attributes == {
        "function": "( A & !B ) '",
        "values": ["0.1,  0.2"],
        "area": "2.5",
        "when": "A | B",
    }


@pytest.mark.parametrize(
    "encode",
    [
        lambda text: b"\xef\xbb\xbf" + text.encode(),
        lambda text: text.encode("utf-16"),
        lambda text: gzip.compress(text[:30].encode()) + gzip.compress(text[30:].encode()),
        lambda text: gzip.compress(text.encode()) + bytes(512),
        lambda text: bz2.compress(text[:9].encode()) + bz2.compress(text[9:].encode()),
        lambda text: lzma.compress(text.encode()),
        lambda text: text.replace("; ", ";\r\n").encode(),
        lambda text: text.replace("area", "/* 25 \xb0C */ area").encode("latin-1"),
    ],
    ids=["mark", "utf-16", "members", "padded", "bzip2", "xz", "dos", "latin-1"],
)
def test_encodings_and_packings_that_users_have_are_read(tmp_path, encode):
    path = tmp_path / "a.lib"
    path.write_bytes(encode(SMALL))
    assert read_liberty(path) == parse_liberty(SMALL)


@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress, lzma.compress])
def test_damage_in_any_packing_is_a_user_error(tmp_path, pack):
    path = tmp_path / "a.lib"
    whole = pack(SMALL.encode() * 20)
    for damaged in (whole[:-9], whole + b"more", whole[:20] + bytes(8) + whole[28:]):
        path.write_bytes(damaged)
        with pytest.raises(UserError, match=r"a\.lib is a damaged \w+ file"):
            read_liberty(path)


@pytest.mark.parametrize("inside", ["area : ; x", "area 2", "pin (A) { x : };", '"', "( ) ( )"])
def test_a_damaged_cell_does_not_end_the_library(inside):
    text = f"library (x) {{ cell (A) {{ }} cell (BAD) {{ {inside} }} cell (B) {{ }} }}"
    cells = {cell.arguments[0]: cell.damage for cell in parse_liberty(text, "x.lib").all("cell")}
    assert list(cells) == ["A", "BAD", "B"]
    assert cells["BAD"].startswith("x.lib, line 1: ")
    assert not cells["A"] and not cells["B"]


def test_an_included_file_is_refused():
    message = r"^x\.lib, line 2: more\.lib is included, but it is not read; put its text"
    with pytest.raises(UserError, match=message):
        parse_liberty("library (x) {\ninclude_file (more.lib); }", "x.lib")
