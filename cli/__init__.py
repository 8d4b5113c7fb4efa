"""The ``halfbyte`` command: thin, one file per subcommand, nothing computed here."""

from halfbyte.cli.interruption import ends_in_one_line
from halfbyte.cli.system import open_standard_streams

__all__ = ["main"]


def main() -> None:
    """Run the command line; imports come within, so that Ctrl-C may come while they go on."""
    open_standard_streams()
    with ends_in_one_line():
        from halfbyte.cli.app import main as run

        run()
