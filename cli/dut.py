"""``halfbyte sim --dut``: simulate a user's own RTL of a MAC with the tests of halfbyte's MACs.

DUT is the device under test.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from halfbyte.base import UserError
from halfbyte.cli.output import number, print_json, table

if TYPE_CHECKING:
    from halfbyte.sim.dut import Dut
    from halfbyte.sim.records import DutRecord

__all__ = ["DutFiles", "Junit", "Latency", "Ports", "Ties", "Top", "make_dut", "show_dut"]

DutFiles = Annotated[
    list[Path] | None,
    typer.Option(
        "--dut",
        metavar="FILE",
        help="Simulate this Verilog file instead of halfbyte's RTL. Several files are read in the "
        "given order.",
        show_default=False,
    ),
]
Top = Annotated[
    str | None,
    typer.Option(
        help="With --dut: name of the module; by default the last file's name without its ending."
    ),
]
Ports = Annotated[
    list[str] | None,
    typer.Option(
        "--port",
        metavar="PORT=NAME",
        help="With --dut: the module's own name for clk, w, a, clear, enable or acc, such as "
        "w=weight.",
        show_default=False,
    ),
]
Ties = Annotated[
    list[str] | None,
    typer.Option(
        "--tie",
        metavar="NAME=0|1",
        help="With --dut: hold an input of the module at a constant, such as rst=0.",
        show_default=False,
    ),
]
Latency = Annotated[
    int,
    typer.Option(
        help="With --dut: number of clock edges from an input until acc includes its product."
    ),
]
Junit = Annotated[
    Path | None,
    typer.Option(help="With --dut: write the results as JUnit XML.", show_default=False),
]


def make_dut(
    files: Sequence[Path],
    top: str | None,
    ports: Sequence[str] | None,
    ties: Sequence[str] | None,
    latency: int,
) -> "Dut":
    """The user's MAC, for the simulation. Raises UserError for a missing file or a wrong option."""
    from halfbyte.sim.dut import Dut

    for path in files:
        if not path.is_file():
            raise UserError(f"There is no file {path} for --dut")
    tied = {}
    for name, value in _pairs("--tie", ties).items():
        if value not in ("0", "1"):
            raise UserError(f"--tie must read like rst=0 or rst_n=1, not {name}={value[:60]}")
        tied[name] = int(value)
    return Dut(tuple(files), top or files[-1].stem, _pairs("--port", ports), tied, latency)


def _pairs(option: str, texts: Sequence[str] | None) -> dict[str, str]:
    """The values of an option that is written NAME=VALUE, by name."""
    pairs = {}
    for text in texts or ():
        name, mark, value = text.partition("=")
        if not (name and mark and value):
            raise UserError(f"{option} must read like NAME=VALUE, not {text[:60]!r}")
        pairs[name] = value
    return pairs


def show_dut(record: "DutRecord", junit: Path | None, json: bool) -> None:
    """Print how much was checked, and what was covered."""
    from halfbyte.sim.coverage import CORNERS

    if json:
        print_json([record])
        return
    covered = record.coverage
    rows = [[f"scenario {name}", number(count)] for name, count in record.scenarios.items()]
    pairs = f"{covered.code_pairs:,} of {covered.all_code_pairs:,}"
    rows.append(["pairs of codes covered", pairs])
    rows += [[CORNERS[name], number(count)] for name, count in covered.corners.items()]
    never = [CORNERS[name] for name, count in covered.corners.items() if not count]
    caption = (
        f"{record.simulator}, seed {record.seed}: {record.products:,} products agree with "
        f"the golden model, none differs; acc {record.acc_width} bits, {record.overflow}. "
        "Scenarios: numbers of products. Rows below the pairs of codes: numbers of cycles in which "
        "the case occurred."
    )
    caption += f" Never covered: {'; '.join(never)}." if never else ""
    title = f"Simulation of {record.module}: {record.format} x {record.activation}"
    table(title, ["", ">products or cycles"], rows, caption)
    for what, path in (("waveform", record.waves), ("JUnit XML", junit)):
        if path:
            typer.echo(f"{what}: {path}")
