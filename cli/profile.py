"""``halfbyte profile``: find which distributions a model's weights and activations follow."""

from collections.abc import Sequence
from statistics import median
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from halfbyte.cli.look import PictureOptions, folder_of_run
from halfbyte.cli.options import Json
from halfbyte.cli.output import console, number, print_json, progress, say, table

if TYPE_CHECKING:
    from halfbyte.accuracy.profile import TensorProfile

__all__ = ["profile"]

DEFAULT_BLOCK = 128

Model = Annotated[
    str,
    typer.Argument(
        metavar="MODEL",
        help="minilm, bytelm, a directory in Hugging Face layout, a hub name, or a .safetensors "
        "file (weights only).",
    ),
]
Block = Annotated[int, typer.Option(min=2, help="Number of elements that share a scale.")]
Activations = Annotated[
    bool, typer.Option("--activations", help="Also profile the inputs of each layer, on real text.")
]
RandomInputs = Annotated[
    bool,
    typer.Option(
        "--random-inputs",
        help="Feed the model random numbers from N(0, 1) instead of token embeddings.",
    ),
]
Layers = Annotated[
    list[str] | None,
    typer.Option(
        "--layer",
        help="Layer to draw; may be given several times. By default the layers with the least, the "
        "median and the greatest nu.",
        show_default=False,
    ),
]
Seed = Annotated[
    int, typer.Option(min=0, help="Seed of the random sample of the values of a large tensor.")
]


def profile(
    model: Model,
    *,
    block: Block = DEFAULT_BLOCK,
    activations: Activations = False,
    random_inputs: RandomInputs = False,
    layer: Layers = None,
    seed: Seed = 0,
    pictures: PictureOptions,
    json: Json = False,
) -> None:
    """Fit Student's t, normal and Laplace distributions to every layer's weights; write plots,
    CSV and JSON.
    """
    from halfbyte.accuracy.models.reference import check_source

    check_source(model)
    from halfbyte.accuracy.profile import open_source, profile_model
    from halfbyte.accuracy.profile.report import check_layers, write_profiles

    look, source = pictures.look(), open_source(model)
    check_layers(source.weights, layer or [])
    with progress(f"profile {source.name}") as update:
        found = profile_model(
            source,
            block=block,
            activations=activations,
            random_inputs=random_inputs,
            seed=seed,
            on_progress=update,
        )
    folder = folder_of_run(
        "profile",
        source.name.replace("/", "--"),
        block=None if block == DEFAULT_BLOCK else block,
        activations=activations,
        random_inputs=random_inputs,
        layers=layer,
        seed=seed or None,
    )
    files = write_profiles(found, folder, layers=layer or [], look=look)
    if json:
        print_json([each.record for each in found])
        return
    _show(found)
    if source.left_out:
        console.print(
            f"left out, not weights of layers: {escape(', '.join(source.left_out))}",
            highlight=False,
        )
    say(f"wrote {', '.join(path.name for path in files)} in {folder}")


def _show(profiles: Sequence["TensorProfile"]) -> None:
    records = [each.record for each in profiles]
    rows = [
        [
            record.layer,
            record.what,
            _values(record.normalised),
            f"{record.count:,}",
            number(record.nu, 2),
            number(record.ks_t, 4),
            number(record.ks_normal, 4),
            number(record.ks_laplace, 4),
            number(record.ks_delta, 4),
        ]
        for record in records
    ]
    columns = [
        *("layer", "what", "~values", "~>count", ">nu"),
        *("~>KS t", "~>KS normal", "~>KS Laplace", ">KS delta"),
    ]
    caption = (
        "nu: degrees of freedom of Student's t; 1000: normal or lighter tails. KS: "
        "Kolmogorov-Smirnov distance of each distribution's best fit; delta: normal minus t, "
        "positive if t is nearer. Values by block: divided by the largest magnitude in their "
        "block. Count: number of values to which the distributions are fitted"
    )
    table(f"{escape(records[0].model or '')}, blocks of {records[0].block}", columns, rows, caption)
    for record in records:
        if record.note:  # below the table: a column would be too narrow to read
            what = f"{record.layer}, {record.what} {_values(record.normalised)}"
            console.print(escape(f"{what}: {record.note}"), highlight=False)
    for line in _summary(profiles):
        console.print(line, highlight=False)


def _values(normalised: bool) -> str:
    """``by block`` if each block was divided by its largest magnitude, else ``as is``."""
    return "by block" if normalised else "as is"


def _summary(profiles: Sequence["TensorProfile"]) -> list[str]:
    """A line for each kind of tensor: the range of nu, and how often t is nearer than normal."""
    groups: dict[tuple[str, bool], list[tuple[float, float]]] = {}
    for each in profiles:
        record = each.record
        if record.nu is not None and record.ks_delta is not None:
            group = groups.setdefault((record.what, record.normalised), [])
            group.append((record.nu, record.ks_delta))
    lines = []
    for (what, normalized), found in groups.items():
        nus = [nu for nu, _ in found]
        nearer = sum(delta > 0 for _, delta in found)
        lines.append(
            f"{what}s {'by block' if normalized else 'as they are'}: nu {min(nus):.2f} to "
            f"{max(nus):.2f}, median {median(nus):.2f}; t is nearer than normal in {nearer} of "
            f"{len(found)} layers"
        )
    return lines
