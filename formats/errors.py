"""The error that every check on a format raises."""

from halfbyte.base.errors import UserError

__all__ = ["FormatError"]


class FormatError(UserError):
    """A format is unknown, or its description is wrong. The message is one line for the user."""
