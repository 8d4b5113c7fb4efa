"""The error that every check on a format raises."""

__all__ = ["FormatError"]


class FormatError(ValueError):
    """A format is unknown or its description is wrong; the message is one line for the user."""
