"""``halfbyte accuracy``: what a format does to the weights of a pretrained model."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import typer

from halfbyte.cli.options import FormatNames, Json, load_formats
from halfbyte.cli.output import number, print_json, progress, table

__all__ = ["accuracy", "show_accuracies"]

Block = Annotated[int, typer.Option(min=1, help="Weights that share a scale.")]


def accuracy(names: FormatNames = None, block: Block = 128, json: Json = False) -> None:
    """Quantise all-MiniLM-L6-v2 weight-only and measure the noise and the embeddings' fidelity."""
    from halfbyte.accuracy import measure

    with progress("Accuracy") as update:
        records = measure(load_formats(names), block=block, on_progress=update)
    print_json(records) if json else show_accuracies(records)


def show_accuracies(records: Sequence[Mapping[str, Any]]) -> None:
    """Print accuracy records as a table."""
    columns = ["format", ">bits/weight", ">SQNR dB", ">fidelity", ">± error"]
    rows = [
        [
            record["format"],
            number(record["bits_per_weight"], 2),
            number(record["sqnr_db"], 2),
            number(record["fidelity"], 4),
            number(record["fidelity_error"], 4),
        ]
        for record in records
    ]
    first = records[0]
    caption = (
        f"{first['model']}, {first['recipe']}, block {first['block']}; fidelity: correlation of "
        f"pairwise cosine similarities with the unquantised model on {first['texts']} texts, with "
        "its standard error over the choice of texts"
    )
    table("Accuracy", columns, rows, caption)
