"""``halfbyte train-bytelm``: train the built-in language model on Python's standard library."""

from pathlib import Path
from typing import Annotated

import typer

from halfbyte.base import build_dir
from halfbyte.cli.options import Json
from halfbyte.cli.output import print_json, progress, say

__all__ = ["train_bytelm"]

Output = Annotated[
    Path | None,
    typer.Option(
        "--output", "-o", help="Folder to write; build/bytelm if not given.", show_default=False
    ),
]
Steps = Annotated[int, typer.Option(min=1, help="Number of updates of the weights.")]
Batch = Annotated[int, typer.Option(min=1, help="Number of windows of 256 bytes in each update.")]
Seed = Annotated[int, typer.Option(min=0, help="Seed of the initial weights and of the windows.")]


def train_bytelm(
    steps: Steps = 2400,
    batch: Batch = 32,
    seed: Seed = 1,
    output: Output = None,
    json: Json = False,
) -> None:
    """Train bytelm, the built-in language model, at about a second a step on two cores; an
    interrupted run continues.
    """
    from halfbyte.accuracy.bytelm import held_out_text, read_corpus
    from halfbyte.accuracy.bytelm.release import save_release
    from halfbyte.accuracy.bytelm.training import Plan, train

    folder = output or build_dir() / "bytelm"
    plan = Plan(steps=steps, batch=batch, seed=seed)
    corpus = read_corpus()
    with progress("Training bytelm") as update:
        model = train(corpus, plan, folder / "training.safetensors", update)
    facts = save_release(model, corpus, held_out_text(), plan, folder)
    if json:
        print_json([facts])
        return
    say(f"bytelm needs {facts.bits} bits per byte of its held-out text; wrote {folder}")
