"""Every message on the troubleshooting page occurs in the source."""

import ast
import re
from functools import cache

from .blocks import ROOT

PAGE = ROOT / "docs" / "reference" / "troubleshooting.md"


def listed(text):
    """The messages in the first columns of the tables under "Messages"."""
    return re.findall(r"^\| `([^`]+)` \|", text.partition("## Messages\n")[2], re.MULTILINE)


@cache
def texts():
    """The strings in the source, with "..." for each placeholder, and the text of the Makefile."""
    found = [(ROOT / "Makefile").read_text()]
    rooms = [path for path in (ROOT / "halfbyte").iterdir() if path.is_dir()]
    for path in sorted(path for room in rooms for path in room.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_bytes())):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                found.append(node.value)
            elif isinstance(node, ast.JoinedStr):
                parts = (getattr(part, "value", "") for part in node.values)
                found.append("".join(part if isinstance(part, str) else "..." for part in parts))
    return found


def is_printed(message):
    """Whether one of the texts has all parts of the message in order. "..." stands for anything."""
    parts = [part.strip() for part in message.split("...")]
    pattern = re.compile(".*".join(map(re.escape, filter(None, parts))), re.DOTALL)
    return any(pattern.search(text) for text in texts())


def test_every_message_on_the_page_exists():
    messages = listed(PAGE.read_text())
    assert len(messages) >= 40
    assert [message for message in messages if not is_printed(message)] == []
    assert not is_printed("No such ... was ever printed")
