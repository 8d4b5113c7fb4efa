"""The ``halfbyte`` command: reads command lines and prints results. Other packages compute."""

import sys

from halfbyte.cli.message import MESSAGE

__all__ = ["main"]


def main() -> None:
    """Run the command line.

    Modules are imported within this function, so that Ctrl-C during an import also ends with a
    message of one line.
    """
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
