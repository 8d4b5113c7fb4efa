"""The ``halfbyte`` command: thin, one file per subcommand, nothing computed here."""

from halfbyte.cli.app import main

__all__ = ["main"]
