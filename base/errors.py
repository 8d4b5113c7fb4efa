"""Errors with a message for the user. The command line prints the message without a traceback."""

from collections.abc import Sequence

__all__ = ["ToolError", "UserError", "printable"]

TAIL_LINES = 12  # the most lines of a tool's output that an error shows


def printable(text: str) -> str:
    """The text with its unprintable characters escaped, except line breaks and tabs.

    A name in a file may contain such characters.
    """
    shown = (each if each.isprintable() or each in "\n\t" else ascii(each)[1:-1] for each in text)
    return "".join(shown)


class UserError(ValueError):
    """An error that the user can correct. The message says what is wrong, or what to do."""


class ToolError(RuntimeError):
    """An external tool failed or is missing.

    Parameters
    ----------
    what : str
        What failed, such as ``Compiling the sources failed``; the first line of the message.
    command : sequence of str
        The command line that failed; empty if there is none.
    output : str
        The text that the tool printed. The message ends with its last lines.
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
