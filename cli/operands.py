"""``halfbyte operands``: collect weights and activations of a model, to measure energy on them."""

from pathlib import Path
from typing import Annotated

import typer

from halfbyte.base import write_atomically
from halfbyte.cli.output import progress, say
from halfbyte.cli.units import Codes, check_codes

__all__ = ["operands"]

Model = Annotated[
    str, typer.Argument(metavar="MODEL", help="A model, named as for `halfbyte evaluate`.")
]
Output = Annotated[Path, typer.Option("--output", "-o", help="The file to write (.npz).")]
PacketsOnly = Annotated[
    bool,
    typer.Option(
        "--packets",
        help="Write pieces of compressed weights instead, on which the energy of the DFloat11 "
        "decoder is measured.",
    ),
]


def operands(
    model: Model, output: Output, packets: PacketsOnly = False, codes: Codes = "table"
) -> None:
    """Write weights and activations of a model, on which `halfbyte synth --operands FILE` measures
    energy.
    """
    with progress(f"Operands of {model}") as update:
        update(0, 1, "")
        data = _collect(model, packets, codes)
    write_atomically(output, data)
    say(f"wrote {output} ({len(data):,} bytes)")


def _collect(model: str, packets: bool, codes: str) -> bytes:
    """The contents of the file."""
    from halfbyte.accuracy import find_model

    find_model(model)  # a wrong name is an error before PyTorch is imported
    if packets:
        from halfbyte.pareto.packets import collect_fixed_packets, collect_packets

        fixed = check_codes(codes)
        return (collect_fixed_packets(model) if fixed else collect_packets(model)).to_bytes()
    from halfbyte.pareto.operands import collect_operands

    return collect_operands(model).to_bytes()
