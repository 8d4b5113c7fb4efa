"""Read the published numbers of Dotzel et al. (2024), *the paper*, to compare them with our own."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from statistics import fmean
from typing import Any

import yaml

from halfbyte.pareto.system import ChipModel

__all__ = ["PAPER_TERMS", "PublishedAccuracy", "paper_chip", "published", "w4a4_accuracy"]

# The number of products that every accumulator of the paper's Table 10 sums without loss.
PAPER_TERMS = 256
_FILE = Path(__file__).parent / "published" / "dotzel2024.yaml"


@cache
def published() -> Any:
    """The numbers of the paper that are in ``published/dotzel2024.yaml``, with the file's keys."""
    data: Any = yaml.safe_load(_FILE.read_text(encoding="utf-8"))
    return data


@dataclass(frozen=True)
class PublishedAccuracy:
    """The mean relative change of accuracy in %, by format.

    The mean is over ``models``: the models for which the paper has a number for every format.
    """

    models: tuple[str, ...]
    by_format: Mapping[str, float]
    source: str


def w4a4_accuracy(formats: Collection[str], recipe: str = "plain") -> PublishedAccuracy:
    """The published accuracies with 4-bit weights and activations (W4A4).

    Formats that are not in the paper are left out. ``recipe`` is ``plain`` or ``smoothquant``. The
    means include only models with a known number for all of these formats. So all formats are
    compared on the same models. Raises ValueError if no model is left.
    """
    table = published()["w4a4_delta_percent"]
    rows = {name: row for name, row in table[recipe].items() if name in formats}
    columns = [
        column
        for column in range(len(table["models"]))
        if rows and all(row[column] is not None for row in rows.values())
    ]
    if not columns:
        raise ValueError(
            f"The paper has no model with a number for each of {', '.join(sorted(formats))}"
        )
    return PublishedAccuracy(
        models=tuple(table["models"][column] for column in columns),
        by_format={name: fmean(row[column] for column in columns) for name, row in rows.items()},
        source=str(published()["source"]),
    )


def paper_chip() -> ChipModel:
    """A model of a chip with the paper's area shares."""
    model = published()["system_model"]
    return ChipModel(model["mac_share"], model["memory_share"])
