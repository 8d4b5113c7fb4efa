"""Errors whose text is meant for the user: the command line prints them without a traceback."""

from collections.abc import Sequence

__all__ = ["ToolError", "UserError", "printable"]

TAIL_LINES = 12


def printable(text: str) -> str:
    """Text with control characters escaped: names in files may hold some."""
    shown = (each if each.isprintable() or each in "\n\t" else ascii(each)[1:-1] for each in text)
    return "".join(shown)


class UserError(ValueError):
    """Something the user can mend: the message is one line with the remedy."""


class ToolError(RuntimeError):
    """An external tool failed or is missing.

    Parameters
    ----------
    what : str
        What was being done.
    command : sequence of str
        The command line, empty if nothing could be started.
    output : str
        What the tool printed; the message keeps its last lines.
    """

    def __init__(self, what: str, command: Sequence[str] = (), output: str = "") -> None:
        self.command = tuple(command)
        self.tail = "\n".join(output.strip().splitlines()[-TAIL_LINES:])
        parts = [what]
        if self.command:
            parts.append("command: " + " ".join(self.command))
        if self.tail:
            parts.append(self.tail)
        super().__init__("\n".join(parts))
