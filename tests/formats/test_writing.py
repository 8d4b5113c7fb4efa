"""A format that is written as YAML is read back with the same codes."""

import pytest

from halfbyte.formats import bundled
from halfbyte.formats.parse import parse_text
from halfbyte.formats.writing import format_text


@pytest.mark.parametrize("fmt", bundled(), ids=lambda fmt: fmt.name)
def test_text_gives_the_same_codes(fmt):
    again = parse_text(format_text(fmt))
    assert (again.name, again.title, again.bits, again.values, again.ties, again.source) == (
        *(fmt.name, fmt.title, fmt.bits, fmt.values, fmt.ties, fmt.source),
    )
