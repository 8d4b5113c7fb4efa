"""Pages generated from the code have a section for every command and every kind of record."""

import re

import pytest

from halfbyte.cli.commands import COMMANDS
from halfbyte.cli.reference import commands_page, records_page
from halfbyte.cli.schema import record_types


@pytest.mark.parametrize(
    ("page", "titles"),
    [
        (commands_page, [f"halfbyte {name}" for name in COMMANDS if name != "tech"]),
        (records_page, list(record_types())),
    ],
)
def test_every_entry_has_a_section_with_a_table(page, titles):
    sections = re.split(r"^#{2,3} ", page(), flags=re.MULTILINE)[1:]
    by_title = {text.partition("\n")[0]: text for text in sections}
    assert set(titles) <= set(by_title)
    for title in titles:
        rows = [line for line in by_title[title].splitlines() if line.startswith("|")]
        assert len(rows) >= 3, title
        assert all(line.endswith("|") for line in rows), title
