"""The ``halfbyte`` command with its subcommands. An expected error becomes a short message."""

import os
import sys
from typing import Annotated

import typer

from halfbyte.base import ToolError, UserError
from halfbyte.base.errors import printable
from halfbyte.cli.commands import LazyGroup
from halfbyte.cli.plain import write_any_text
from halfbyte.cli.system import explain, full_disk

__all__ = ["app", "main"]

app = typer.Typer(
    name="halfbyte",
    cls=LazyGroup,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _show_version(wanted: bool) -> None:
    if wanted:
        from halfbyte import __version__

        typer.echo(f"halfbyte {__version__}")
        raise typer.Exit


@app.callback()
def halfbyte(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version."),
    ] = False,
) -> None:
    """Hardware design and simulation of 4-bit number formats.

    halfbyte turns the values of a format into a verified MAC (multiply-accumulate unit), measures
    its area, and plots accuracy against area.
    """


def main() -> None:
    """Run the command.

    A wrong input, a tool that fails, a file that cannot be written, or too little memory ends the
    command with a message and exit status 1.
    """
    # By default, threads of OpenMP spin while they wait. That slows down other work on the machine.
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    write_any_text()
    try:
        app(prog_name="halfbyte")
    except UserError as error:
        sys.exit(f"error: {printable(str(error))}")
    except ToolError as error:
        sys.exit(f"error: {printable(full_disk() or str(error))}")
    except OSError as error:  # a folder that cannot be written, a full disk
        sys.exit(f"error: {printable(explain(error))}")
    except (MemoryError, ImportError) as error:
        # "failed to map": the dynamic loader has no memory for a library.
        if isinstance(error, ImportError) and "failed to map" not in str(error):
            raise
        sys.exit("error: No memory is left: free some, or raise the limit (ulimit -v)")
