"""``halfbyte doctor``: list the tools of this machine, and how to install missing ones."""

import typer

from halfbyte.cli.options import Json
from halfbyte.cli.output import console, print_json, table

__all__ = ["doctor"]


def doctor(json: Json = False) -> None:
    """Say which tools are installed, what each is for, and how to install missing ones.

    Exit status 1 if a tool is missing that halfbyte needs. Tools for special uses may be absent.
    """
    from halfbyte.base.doctor import examine

    findings = examine()
    if json:
        print_json([finding.as_json() for finding in findings])
    else:
        rows = [
            [finding.name, finding.status, finding.version or finding.remedy, finding.purpose]
            for finding in findings
        ]
        caption = "missing: halfbyte needs it; absent: only some commands or tests need it"
        columns = ["", "status", "version, or remedy", "~used for"]
        table("What this machine has", columns, rows, caption)
        missing = [finding.name for finding in findings if finding.status == "missing"]
        console.print(
            f"missing: {', '.join(missing)}"
            if missing
            else "all tools that are needed are installed"
        )
    if any(finding.status == "missing" for finding in findings):
        raise typer.Exit(1)
