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
# 10 ps + 0.5 ps per ps of slew + 2 ps per fF of load, in ns over ns and pF.
PLANE_TABLE = """(t) {
  index_1 ("0.01, 0.02, 0.8"); index_2 ("0.001, 0.003, 0.08");
  values ("0.017, 0.021, 0.175", "0.022, 0.026, 0.180", "0.412, 0.416, 0.9"); }"""


def library(*cells, name="demo_tt", header=HEADER):
    return f"library ({name}) {{ {header} {' '.join(cells)} }}"


def gate(function, inputs=("A",), name="GATE", inside="", timing=""):
    pins = "".join(f"pin ({pin}) {{ direction : input; capacitance : 0.002; }}" for pin in inputs)
    return (
        f"cell ({name}) {{ area : 2.5; {inside} {pins} "
        f'pin (Y) {{ direction : output; function : "{function}"; {timing} }} }}'
    )


def arc(table=PLANE_TABLE, source="A", more=""):
    return f'timing () {{ related_pin : "{source}"; {more} {TABLES.format(table)} }}'


def flip_flop(state, function="IQ", name="DFF", inputs=("CK", "D")):
    return gate(function, inputs, name, inside=f"ff (IQ, IQN) {{ {state} }}")


@pytest.fixture
def read(tmp_path):
    """Writes texts as Liberty files and reads them as one library."""

    def write_and_read(*texts):
        paths = [tmp_path / f"{index}.lib" for index in range(len(texts))]
        for path, text in zip(paths, texts, strict=True):
            path.write_text(text)
        return read_library(paths)

    return write_and_read


def only(library):
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
    with pytest.raises(UserError, match=r"share a corner, not tt 25 C 1\.20 V; tt 25 C 1\.80 V"):
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
def test_leaves_out_cells_of_no_use(read, cell):
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
    assert found.sense == "both"
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


def test_slowest_of_several_states_counts_at_each_point(read):
    slow = arc('(scalar) { values ("0.2"); }', more="when : B;")
    timing = arc() + slow + arc('(scalar) { values ("0.02"); }', source="B")
    arcs = only(read(library(gate("A & B", ("A", "B"), timing=timing)))).arcs["Y"]
    assert arcs["A"][0].rise.delay.values == ((200, 200, 200), (200, 200, 200), (412, 416, 900))
    assert arcs["B"][0].fall.delay == Table.constant(20)


def test_senses_stay_apart(read):
    timing = arc(more="timing_sense : positive_unate;") + arc(
        '(scalar) { values ("0.02"); }', more="timing_sense : negative_unate;"
    )
    arcs = only(read(library(gate("A ^ B", ("A", "B"), timing=timing)))).arcs["Y"]["A"]
    assert [each.sense for each in arcs] == ["positive", "negative"]
    assert arcs[1].rise.delay == Table.constant(20)


def test_other_axes_are_no_delay_over_slew_and_load(read):
    template = "lu_table_template (odd) { variable_1 : related_out_total_output_net_capacitance; }"
    table = '(odd) { index_1 ("1, 2"); values ("1, 2"); }'
    cell = only(read(library(gate("A", timing=arc(table)), header=HEADER + template)))
    assert cell.arcs == {"Y": {}}


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ('(t) { index_1 ("1, 2"); index_2 ("1, 2"); values ("1, 2, 3"); }', "3 values where .* 4"),
        ('(t) { index_1 ("1, 2"); values ("1, x"); }', "finite numbers, not '1, x'"),
        ('(t) { index_1 ("1, 2"); values ("1, nan"); }', "finite numbers"),
        ("(t) { }", "finite numbers, not ''"),
        ('(t) { index_1 ("2, 1"); values ("1, 2"); }', "does not ascend"),
    ],
)
def test_malformed_table_names_file_and_cell(read, table, message):
    with pytest.raises(UserError, match=rf"0\.lib: cell GATE: .*{message}"):
        read(library(gate("A", timing=arc(table))))


@pytest.mark.parametrize("unit", ["ns", "0ns", "1nV", "1 furlong"])
def test_unit_that_is_none_is_a_user_error(read, unit):
    with pytest.raises(UserError, match=r"0\.lib: a unit must read like 1ns"):
        read(library(gate("A"), header=HEADER.replace("1ns", unit)))
