"""The ``halfbyte`` command. Each subcommand has a file; the computing is done in other packages."""

from halfbyte.cli.interruption import ends_in_one_line
from halfbyte.cli.system import open_standard_streams

__all__ = ["main"]


def main() -> None:
    """Run the command line. Imports are inside, so that Ctrl-C ends in one line also then."""
    open_standard_streams()
    with ends_in_one_line():
        from halfbyte.cli.app import main as run

        run()
