"""The ``halfbyte`` command. Each subcommand has a file; the other packages do the computing."""

import sys

from halfbyte.cli.message import MESSAGE

__all__ = ["main"]


def main() -> None:
    """Run the command line. Imports are inside, so that Ctrl-C during one ends in one line, too."""
    try:
        from halfbyte.cli.interruption import ends_in_one_line
        from halfbyte.cli.system import open_standard_streams, refuse_optimization

        refuse_optimization()
        open_standard_streams()
    except KeyboardInterrupt:
        sys.exit(f"interrupted: {MESSAGE}")
    with ends_in_one_line():
        from halfbyte.cli.app import main as run

        run()
