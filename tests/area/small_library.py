"""Pieces of a small Liberty library, which tests combine and change.

Liberty is the usual text format for cell libraries. An arc is the timing from an input of a cell to
its output.
"""

import re

__all__ = ["CELLS", "CLOCKED", "EDGE", "HEADER", "OTHER_UNITS", "SETUP", "arc", "cell", "library"]

HEADER = """
  delay_model : table_lookup;
  time_unit : "1ns"; voltage_unit : "1V"; current_unit : "1mA"; leakage_power_unit : "1nW";
  capacitive_load_unit (1, pf); nom_voltage : 1.2; nom_temperature : 25; nom_process : 1;
  input_threshold_pct_rise : 50; input_threshold_pct_fall : 50;
  output_threshold_pct_rise : 50; output_threshold_pct_fall : 50;
  slew_lower_threshold_pct_rise : 20; slew_lower_threshold_pct_fall : 20;
  slew_upper_threshold_pct_rise : 80; slew_upper_threshold_pct_fall : 80;
  lu_table_template (d) {
    variable_1 : input_net_transition; variable_2 : total_output_net_capacitance;
    index_1 ("0.01, 0.2"); index_2 ("0.001, 0.1");
  }
  lu_table_template (s) {
    variable_1 : constrained_pin_transition; variable_2 : related_pin_transition;
    index_1 ("0.01, 0.2"); index_2 ("0.01, 0.2");
  }
"""
EDGE = {
    "rise": """cell_rise (d) { values ("0.02, 0.30", "0.05, 0.36"); }
               rise_transition (d) { values ("0.02, 0.40", "0.05, 0.45"); }""",
    "fall": """cell_fall (d) { values ("0.02, 0.25", "0.04, 0.29"); }
               fall_transition (d) { values ("0.02, 0.35", "0.05, 0.40"); }""",
}
INPUT = "pin ({pin}) {{ direction : input; capacitance : 0.002; {more} }}"
SETUP = """timing () { related_pin : "CK"; timing_type : setup_rising;
  rise_constraint (s) { values ("0.03, 0.02", "0.05, 0.04"); }
  fall_constraint (s) { values ("0.04, 0.03", "0.06, 0.05"); } }"""


def arc(source, sense, more="", edges=("rise", "fall")):
    """A ``timing`` group with the delays from the pins ``source``, for the given output edges."""
    stated = f"timing_sense : {sense};" if sense else ""
    tables = " ".join(EDGE[edge] for edge in edges)
    return f'timing () {{ related_pin : "{source}"; {stated} {more} {tables} }}'


def cell(name, function, inputs, arcs, inside=""):
    """A ``cell`` group with the output Y; ``arcs`` and ``inside`` are text for it."""
    special = {"CK": "clock : true;", "D": SETUP}
    pins = " ".join(INPUT.format(pin=pin, more=special.get(pin, "")) for pin in inputs)
    return f"""cell ({name}) {{ area : {len(inputs)}; cell_leakage_power : 0.1; {inside} {pins}
      pin (Y) {{ direction : output; function : "{function}"; {arcs} }} }}
    """


CLOCKED = "timing_type : rising_edge;"
CELLS = {
    "INV": cell("INV", "!A", ["A"], arc("A", "negative_unate")),
    "BUF": cell("BUF", "A", ["A"], arc("A", "positive_unate")),
    "NAND2": cell("NAND2", "!(A & B)", ["A", "B"], arc("A B", "negative_unate")),
    "XOR2": cell("XOR2", "A ^ B", ["A", "B"], arc("A B", "non_unate")),
    "DFF": cell(
        "DFF",
        "IQ",
        ["CK", "D"],
        arc("CK", "non_unate", CLOCKED),
        'ff (IQ, IQN) { clocked_on : "CK"; next_state : "D"; }',
    ),
}


# Changes for :func:`library` that give the same library in units of 10 ps and 100 fF.
OTHER_UNITS = (
    (r'"1ns"', '"10ps"'),
    (r"\(1, pf\)", "(100, ff)"),
    (r"0\.(\d\d)(?=[,\"])", r"\1"),
    (r'"0.001, 0.1"', '"0.01, 1.0"'),
    (r"capacitance : 0.002", "capacitance : 0.02"),
    (r"0\.2\"", '20"'),
)


def library(*changes, header=HEADER, **cells):
    """The library's text, with ``cells`` added or replaced by name.

    Each of ``changes`` is a regular expression and its replacement, applied to the whole text.
    """
    text = f"library (small_tt) {{ {header} {' '.join({**CELLS, **cells}.values())} }}"
    for old, new in changes:
        assert re.search(old, text), old
        text = re.sub(old, new, text)
    return text
