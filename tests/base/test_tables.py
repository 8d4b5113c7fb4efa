"""Tables as Markdown."""

from halfbyte.base.tables import markdown_table


def test_a_heading_stays_on_one_line_and_loses_its_alignment_marks():
    text = markdown_table(["format", "~>area\num2", "~proof"], [["int4", "1,000.5", "proved"]])
    assert text.splitlines() == [
        "| format | area um2 | proof |",
        "|---|--:|---|",
        "| int4 | 1,000.5 | proved |",
    ]
