"""Rows of figures as text."""

from halfbyte.base.tables import markdown_table


def test_markdown_has_all_columns_in_one_line_each():
    text = markdown_table(["format", "~>area\num2", "~proof"], [["int4", "1,000.5", "proved"]])
    assert text.splitlines() == [
        "| format | area um2 | proof |",
        "|---|--:|---|",
        "| int4 | 1,000.5 | proved |",
    ]
