"""Write a format as YAML text."""

import json

from halfbyte.formats.model import Format

__all__ = ["format_text"]


def format_text(fmt: Format) -> str:
    """The format as YAML text.

    :func:`halfbyte.formats.parse.parse_text` reads the same codes and values from it.
    """
    values = ", ".join(str(value) for value in fmt.values)
    lines = [f"name: {fmt.name}", f"title: {json.dumps(fmt.title)}", f"ties: {fmt.ties.value}"]
    if fmt.source:
        lines.append(f"source: {json.dumps(fmt.source)}")
    if fmt.nan_codes:
        lines.append(f"nan_codes: {list(fmt.nan_codes)}")
    return "\n".join([*lines, f"values: [{values}]"]) + "\n"
