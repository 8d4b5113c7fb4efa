"""Cell libraries are read from files in Liberty, the usual text format for such libraries.

Tables give delays and energies for slews of an input and loads of an output. A *sense* says whether
the output has the same edge as the input or the opposite edge.
"""

import pytest

from halfbyte.area.cells.library import read_library
from halfbyte.area.cells.nldm import Table
from halfbyte.base import UserError

HEADER = """
  time_unit : "1ns"; capacitive_load_unit (1, pf); leakage_power_unit : "1nW";
  nom_voltage : 1.2; nom_temperature : 25;
  lu_table_template (t) {
    variable_1 : input_net_transition; variable_2 : total_output_net_capacitance;
  }
  lu_table_template (swapped) {
    variable_1 : total_output_net_capacitance; variable_2 : input_net_transition;
  }
"""
TABLES = "cell_rise {0} cell_fall {0} rise_transition {0} fall_transition {0}"
# Slews and delays in ns, loads in pF. The delay is 10 ps + 0.5 * slew + 2 ps per fF of load, except
# for the last value.
PLANE_TABLE = """(t) {
  index_1 ("0.01, 0.02, 0.8"); index_2 ("0.001, 0.003, 0.08");
  values ("0.017, 0.021, 0.175", "0.022, 0.026, 0.180", "0.412, 0.416, 0.9"); }"""


def library(*cells, name="demo_tt", header=HEADER):
    """The text of a library with the given cells."""
    return f"library ({name}) {{ {header} {' '.join(cells)} }}"


def gate(function, inputs=("A",), name="GATE", inside="", timing=""):
    """A ``cell`` group with output Y; ``inside`` and ``timing`` are text for the cell and for Y."""
    pins = "".join(f"pin ({pin}) {{ direction : input; capacitance : 0.002; }}" for pin in inputs)
    return (
        f"cell ({name}) {{ area : 2.5; {inside} {pins} "
        f'pin (Y) {{ direction : output; function : "{function}"; {timing} }} }}'
    )


def arc(table=PLANE_TABLE, source="A", more=""):
    """A ``timing`` group with the same table for all delays and transition times."""
    return f'timing () {{ related_pin : "{source}"; {more} {TABLES.format(table)} }}'


def flip_flop(state, function="IQ", name="DFF", inputs=("CK", "D")):
    """A flip-flop; ``state`` says how its state IQ follows the inputs."""
    return gate(function, inputs, name, inside=f"ff (IQ, IQN) {{ {state} }}")


@pytest.fixture
def read(tmp_path):
    """``read(text, ...)`` writes the texts as Liberty files and reads them as one library."""

    def write_and_read(*texts):
        paths = [tmp_path / f"{index}.lib" for index in range(len(texts))]
        for path, text in zip(paths, texts, strict=True):
            path.write_text(text)
        return read_library(paths)

    return write_and_read


def only(library):
    """The cell of a library that has one cell."""
    (cell,) = library.cells.values()
    return cell


def test_reads_a_gate(read):
    cell = only(read(library(gate("(!A)+(B')", ("A", "B"), inside="cell_leakage_power : 3;"))))
    assert (cell.name, cell.area, cell.leakage) == ("GATE", 2.5, 3.0)
    assert cell.inputs == {"A": 2.0, "B": 2.0}
    assert cell.outputs == {"Y": "!A | !B"}


def test_files_with_different_units_make_one_library(read):
    other = HEADER.replace("1ns", "1ps").replace("(1, pf)", "(1, ff)").replace("1nW", "1pW")
    leaking = "cell_leakage_power : 3;"
    cells = read(
        library(gate("A", name="ONE", inside=leaking), name="demo_a_tt"),
        library(gate("A", name="TWO", inside=leaking), name="demo_b_tt", header=other),
    )
    assert cells.name == "demo_tt"
    assert [cells.cells[name].inputs["A"] for name in ("ONE", "TWO")] == [2.0, 0.002]
    assert [cells.cells[name].leakage for name in ("ONE", "TWO")] == [3.0, 0.003]


def test_files_of_different_corners_are_refused(read):
    with pytest.raises(UserError, match=r"but they have tt 25 C 1\.20 V; tt 25 C 1\.80 V"):
        read(library(gate("A")), library(gate("A"), header=HEADER.replace("1.2", "1.8")))


def test_no_file_is_refused():
    with pytest.raises(UserError, match="at least one Liberty file"):
        read_library([])


@pytest.mark.parametrize(
    ("name", "more", "corner"),
    [
        ("x_ss_100C", "", "ss 25 C 1.20 V"),
        ("x_typ", "", "tt 25 C 1.20 V"),
        ("x", "", "process unknown 25 C 1.20 V"),
        ("x_tt", 'default_operating_conditions : "hot"; operating_conditions ("hot") '
         "{ temperature : 125; voltage : 1.08; }", "tt 125 C 1.08 V"),
    ],
)  # fmt: skip
def test_states_the_corner(read, name, more, corner):
    assert read(library(gate("A"), name=name, header=HEADER + more)).corner == corner


@pytest.mark.parametrize(
    "cell",
    [
        gate("A", inside="dont_use : true;"),
        gate("A", inside='is_isolation_cell : "true";'),
        gate("A", inside="latch (IQ, IQN) { enable : A; }"),
        gate("A", name="clkbuf_1"),
        gate("A", name="dlygate_1"),
        gate("A", name="x-y"),
        gate("A", ("A", "E")).replace("function", "three_state : E; function"),
        gate("A & !A"),
        gate("IQ"),
        gate("A").replace("2.5", "0"),
        gate("&".join("ABCDEFG"), tuple("ABCDEFG")),
        flip_flop("clocked_on : !CK; next_state : D;"),
        flip_flop("clocked_on : CK; next_state : \"D & E\";", inputs=("CK", "D", "E")),
        flip_flop("clocked_on : CK; next_state : D;", inputs=("CK", "D", "SCAN")),
        flip_flop('clocked_on : CK; next_state : D; clear : "R & S";', inputs=("CK", "D", "R")),
    ],
)  # fmt: skip
def test_leaves_out_cells_that_cannot_be_used(read, cell):
    assert read(library(cell)).cells == {}


@pytest.mark.parametrize(
    ("state", "function", "inputs", "inverted", "tied"),
    [
        ("clocked_on : CK; next_state : D;", "IQ", ("CK", "D"), False, {}),
        ("clocked_on : CK; next_state : D;", "IQN", ("CK", "D"), True, {}),
        ('clocked_on : CK; next_state : "!D";', "IQ", ("CK", "D"), True, {}),
        ('clocked_on : CK; next_state : "!D";', "!IQ", ("CK", "D"), False, {}),
        ('clocked_on : CK; next_state : D; clear : "!R";', "IQ", ("CK", "D", "R"), False, {"R": 1}),
        ("clocked_on : CK; next_state : D; preset : S;", "IQ", ("CK", "D", "S"), False, {"S": 0}),
    ],
)
def test_finds_the_polarity_of_a_flip_flop(read, state, function, inputs, inverted, tied):
    found = only(read(library(flip_flop(state, function, inputs=inputs)))).flip_flop
    assert (found.data, found.clock, found.output) == ("D", "CK", "Y")
    assert found.inverted is inverted
    assert found.tied == tied


def test_clear_of_an_inverted_state_presets_the_data(read):
    cell = flip_flop('clocked_on : CK; next_state : "!D"; clear : S;', inputs=("CK", "D", "S"))
    found = only(read(library(cell))).flip_flop
    assert (found.clear, found.preset) == ("", "S")


def test_leakage_adds_supplies_and_averages_states(read):
    states = (
        "leakage_power () { value : 4; when : A; related_pg_pin : VDD; }"
        "leakage_power () { value : 0; when : A; related_pg_pin : VSS; }"
        'leakage_power () { value : 2; when : "!A"; related_pg_pin : VDD; }'
    )
    assert only(read(library(gate("A", inside=states)))).leakage == 3.0
    states += "leakage_power () { value : 2.5; }"
    assert only(read(library(gate("A", inside=states)))).leakage == 2.5


def test_reads_a_table_in_ps_over_ps_and_ff(read):
    (found,) = only(read(library(gate("A", timing=arc())))).arcs["Y"]["A"]
    assert found.sense == "positive"  # found from the function
    assert found.rise.delay == Table(
        (10, 20, 800), (1, 3, 80), ((17, 21, 175), (22, 26, 180), (412, 416, 900))
    )
    assert found.fall.transition.at(20, 3) == 26


def test_axes_may_come_in_either_order(read):
    table = (
        '(swapped) { index_1 ("0.001, 0.003"); index_2 ("0.01, 0.02"); '
        'values ("0.017, 0.022", "0.021, 0.026"); }'
    )
    (found,) = only(read(library(gate("A", timing=arc(table))))).arcs["Y"]["A"]
    assert found.rise.delay == Table((10, 20), (1, 3), ((17, 21), (22, 26)))


def test_scalar_delay_depends_on_nothing(read):
    timing = arc('(scalar) { values ("0.03"); }')
    (found,) = only(read(library(gate("A", timing=timing)))).arcs["Y"]["A"]
    assert found.rise.delay == Table.constant(30)


def test_takes_the_slowest_of_several_states_at_each_point(read):
    slow = arc('(scalar) { values ("0.2"); }', more="when : B;")
    timing = arc() + slow + arc('(scalar) { values ("0.02"); }', source="B")
    arcs = only(read(library(gate("A & B", ("A", "B"), timing=timing)))).arcs["Y"]
    assert arcs["A"][0].rise.delay.values == ((200, 200, 200), (200, 200, 200), (412, 416, 900))
    assert arcs["B"][0].fall.delay == Table.constant(20)


def test_delays_of_different_senses_are_kept_apart(read):
    timing = arc(more="timing_sense : positive_unate;") + arc(
        '(scalar) { values ("0.02"); }', more="timing_sense : negative_unate;"
    )
    arcs = only(read(library(gate("A ^ B", ("A", "B"), timing=timing)))).arcs["Y"]["A"]
    assert [each.sense for each in arcs] == ["positive", "negative"]
    assert arcs[1].rise.delay == Table.constant(20)


def test_tables_over_other_axes_are_left_out(read):
    template = "lu_table_template (odd) { variable_1 : related_out_total_output_net_capacitance; }"
    table = '(odd) { index_1 ("1, 2"); values ("1, 2"); }'
    cell = only(read(library(gate("A", timing=arc(table)), header=HEADER + template)))
    assert cell.arcs == {"Y": {}}


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (
            '(t) { index_1 ("1, 2"); index_2 ("1, 2"); values ("1, 2, 3"); }',
            "must have 4 values for its axes, not 3",
        ),
        ('(t) { index_1 ("1, 2"); values ("1, x"); }', "finite numbers, not '1, x'"),
        ('(t) { index_1 ("1, 2"); values ("1, nan"); }', "finite numbers"),
        ("(t) { }", "finite numbers, not ''"),
        ('(t) { index_1 ("2, 1"); values ("1, 2"); }', "each axis of a table must ascend"),
    ],
)
def test_malformed_table_names_file_and_cell(read, table, message):
    with pytest.raises(UserError, match=rf"0\.lib: cell GATE: .*{message}"):
        read(library(gate("A", timing=arc(table))))


@pytest.mark.parametrize("unit", ["ns", "0ns", "1nV", "1 furlong"])
def test_wrong_unit_is_a_user_error(read, unit):
    with pytest.raises(UserError, match=r"0\.lib: a unit must read like 1ns"):
        read(library(gate("A"), header=HEADER.replace("1ns", unit)))


@pytest.mark.parametrize(
    "unit", ["1ns", "1 ns", "1.0NS", "1000ps", ".001us", "1e3ps", "0.000001 ms", "0.001\u00b5s"]
)
def test_units_are_read_in_several_spellings(read, unit):
    cell = only(read(library(gate("A", timing=arc()), header=HEADER.replace("1ns", unit))))
    assert cell.arcs["Y"]["A"][0].rise.delay.at(10, 1) == 17


@pytest.mark.parametrize(
    "unit", ["(1, pf)", "(1.000,PF)", '("1", "pf")', "(1000, ff)", "(1.0e-00 , pf)", "(.001, nf)"]
)
def test_units_of_capacitance_are_read_in_several_spellings(read, unit):
    header = HEADER.replace("(1, pf)", unit)
    assert only(read(library(gate("A"), header=header))).inputs == {"A": 2.0}


def test_malformed_cells_are_left_out_and_named(read):
    bad_table = gate("A", name="BAD", timing=arc("(t) { }"))
    bad_text = gate("A", name="WORSE").replace("area : 2.5;", "area : ; } ;;")
    found = read(library(bad_table, gate("A", name="GOOD"), gate("!A", name="ALSO")))
    assert set(found.cells) == {"GOOD", "ALSO"}
    assert "finite numbers" in found.left_out["BAD"]
    open_text = gate("A", name="OPEN").replace("area : 2.5;", "area : 2.5 ) { 3")
    found = read(library(gate("A", name="GOOD"), open_text + "}", gate("!A", name="ALSO")))
    assert set(found.cells) == {"GOOD", "ALSO"}
    assert "line" in found.left_out["OPEN"]
    with pytest.raises(UserError, match="line 1"):
        read(library(gate("A", name="GOOD"), bad_text))


def test_cells_without_an_area_are_left_out(read):
    bare = gate("A").replace("area : 2.5;", "")
    assert read(library(bare, gate("A", name="GOOD"))).left_out == {"GATE": "it states no area"}
    with pytest.raises(UserError, match=r"0\.lib: no cell states an area \(cells: 2\)"):
        read(library(bare, bare.replace("GATE", "OTHER")))


@pytest.mark.parametrize(
    ("stated", "default", "expected"),
    [
        ("capacitance : 0.004;", "", 4.0),
        ("capacitance : 0.004; rise_capacitance : 0.1;", "", 4.0),
        ("rise_capacitance : 0.002; fall_capacitance : 0.004;", "0.1", 3.0),
        ("fall_capacitance : 0.004;", "", 4.0),
        ("", "0.005", 5.0),
        ("capacitance : 0.0;", "0.005", 0.0),
        ("", "", None),
    ],
)
def test_capacitance_is_stated_by_edge_or_by_default(read, stated, default, expected):
    header = HEADER + (f"default_input_pin_cap : {default};" if default else "")
    text = gate("A").replace("capacitance : 0.002;", stated)
    cell = only(read(library(text, header=header)))
    assert bool(cell.untimed) == (expected is None)
    assert cell.inputs == {"A": expected or 0.0}


@pytest.mark.parametrize(
    ("inside", "header", "expected"),
    [
        ("", HEADER, None),
        ("leakage_power () { when : A; }", HEADER, None),
        ("", HEADER + "default_cell_leakage_power : 7;", 7.0),
        ("cell_leakage_power : 0;", HEADER + "default_cell_leakage_power : 7;", 0.0),
        ("cell_leakage_power : 3;", HEADER.replace('leakage_power_unit : "1nW";', ""), None),
    ],
)
def test_leakage_that_is_not_stated_is_none(read, inside, header, expected):
    assert only(read(library(gate("A", inside=inside), header=header))).leakage == expected


def power(tables, more='related_pin : "A B";'):
    """An ``internal_power`` group of an output."""
    return f"internal_power () {{ {more} {tables} }}"


RISE, FALL = (f'{edge}_power (scalar) {{ values ("{value}"); }}' for edge, value in (
    ("rise", "0.004"), ("fall", "0.002")
))  # fmt: skip


@pytest.mark.parametrize(
    ("timing", "expected"),
    [
        (power(RISE + FALL), {"A": 3.0, "B": 3.0}),
        (power(RISE) + power(FALL), {"A": 3.0, "B": 3.0}),
        (power(RISE), {"A": 4.0, "B": 4.0}),
        (power(RISE + FALL, more=""), {"A": 3.0, "B": 3.0}),
        (power(RISE + FALL, 'related_pin : "A";'), {"A": 3.0, "B": 3.0}),
        (power(RISE, 'related_pin : "A";') + power(FALL, more=""), {"A": 4.0, "B": 2.0}),
        ("", {}),
    ],
)
def test_energies_of_one_edge_or_input_are_used_for_the_others(read, timing, expected):
    cell = only(read(library(gate("!(A & B)", ("A", "B"), timing=timing))))
    energies = {source: table.at(0, 0) for source, table in cell.energies["Y"].items()}
    assert energies == pytest.approx(expected)


def test_pins_may_share_a_group_and_functions_need_no_quotes(read):
    text = gate("A").replace("pin (A)", 'pin ("A, B" C)').replace('"A"', "(A & !B) | C'")
    cell = only(read(library(text)))
    assert (list(cell.inputs), cell.outputs) == (["A", "B", "C"], {"Y": "(A & !B) | !C"})


def test_setup_of_one_edge_is_used_for_the_other(read):
    setup = 'timing () { related_pin : "CK"; timing_type : setup_rising; TABLE }'
    text = flip_flop('clocked_on : "CK"; next_state : "D";').replace(
        "pin (D) { direction : input;", f"pin (D) {{ direction : input; {setup}"
    )
    one = text.replace("TABLE", 'fall_constraint (scalar) { values ("0.05"); }')
    rise, fall = only(read(library(one))).flip_flop.setup
    assert rise.at(0, 0) == fall.at(0, 0) == 50
    assert only(read(library(text.replace("TABLE", "")))).flip_flop.setup is None


def test_an_edge_that_no_group_states_is_none(read):
    timing = (
        'timing () { related_pin : "A"; timing_sense : positive_unate; '
        f"cell_rise {PLANE_TABLE} rise_transition {PLANE_TABLE} }}"
    )
    (found,) = only(read(library(gate("A", timing=timing)))).arcs["Y"]["A"]
    assert (found.rise is not None, found.fall) == (True, None)


def test_neighbouring_entries_of_an_axis_stay_distinct(read):
    table = '(t) { index_1 ("0.0100001, 0.0100002"); values ("0.1, 0.2"); }'
    (found,) = only(read(library(gate("A", timing=arc(table))))).arcs["Y"]["A"]
    assert found.rise.delay.at(10.0002, 0) == pytest.approx(200)


def test_a_table_without_its_template_is_malformed(read):
    found = read(library(gate("A", timing=arc('(u) { values ("1"); }')), gate("A", name="GOOD")))
    assert found.left_out == {"GATE": "a table has the template u, which the library lacks"}


def test_a_cell_that_is_stated_twice_is_left_out_if_it_differs(read):
    texts = library(gate("A"), gate("!A", name="OTHER")), library(gate("A"))
    assert set(read(*texts).cells) == {"GATE", "OTHER"}
    larger = library(gate("A").replace("area : 2.5", "area : 3.5"))
    found = read(*texts, larger)
    assert set(found.cells) == {"OTHER"}
    assert found.left_out == {"GATE": "it is stated twice, with different data"}


@pytest.mark.parametrize("malformed_first", [True, False])
def test_a_cell_that_is_malformed_in_one_file_is_left_out(read, malformed_first):
    texts = [library(gate("A"), gate("A", name="GOOD"))]
    texts.insert(
        0 if malformed_first else 1, library(gate("A", timing=arc('(u) { values ("1"); }')))
    )
    found = read(*texts)
    assert (set(found.cells), set(found.left_out)) == ({"GOOD"}, {"GATE"})
