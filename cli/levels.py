"""``halfbyte rank --levels``: rank formats as MACs, in dot-product units, and in arrays.

Each of these kinds of hardware is a level.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from halfbyte.base import UserError
from halfbyte.cli.array import ARRAY, ArrayOptions
from halfbyte.cli.dot import DOT
from halfbyte.cli.hardware import MAC, Hardware
from halfbyte.cli.output import console, print_json, say, table
from halfbyte.formats import Format

if TYPE_CHECKING:
    from halfbyte.area.cells.technology import Technology
    from halfbyte.base.look import Look
    from halfbyte.pareto.levels import Level

__all__ = [
    "DEFAULT_BITS",
    "DEFAULT_SCALE",
    "check_levels_only",
    "check_without_levels",
    "rank_levels",
]

DEFAULT_BITS, DEFAULT_SCALE = 4, "e8m0"


def check_levels_only(**options: object) -> None:
    """Raise UserError if one of the ``options`` was given without ``--levels``."""
    given = [name for name, value in options.items() if value is not None and value is not False]
    if given:
        raise UserError(f"--{given[0]} is for --levels: leave it out")


def check_without_levels(**options: object) -> None:
    """Raise UserError if one of the ``options`` was given with ``--levels``."""
    given = [name for name, value in options.items() if value is not None]
    if given:
        raise UserError(f"--{given[0]} is not for --levels, which ranks by area: leave it out")


def rank_levels(
    formats: Sequence[Format],
    technologies: "Sequence[Technology]",
    *,
    operand: Format | None,
    lanes: int,
    scale: str,
    grid: ArrayOptions,
    terms: int,
    folder: Path,
    look: "Look",
    jobs: int | None,
    json: bool,
) -> None:
    """Synthesize every level in every technology; write data and pictures, and print results."""
    from halfbyte.pareto.levels import write_levels

    kinds = _kinds(lanes, scale, grid)
    largest = kinds["array"][1]  # a format that fits this level fits all levels
    chosen = largest.fitting(formats, operand, terms, strict=False)
    found = {
        technology.name: [
            _level(name, title, hardware, chosen, operand, technology, terms, jobs)
            for name, (title, hardware) in kinds.items()
        ]
        for technology in technologies
    }
    written = [
        path for levels in found.values() for path in write_levels(levels, chosen, folder, look)
    ]
    if json:
        every = [each for levels in found.values() for level in levels for each in level.records]
        print_json(every)
        return
    for name, levels in found.items():
        _show(name, levels)
    say(f"wrote {', '.join(path.name for path in written)} in {folder}")


def _kinds(lanes: int, scale: str, grid: ArrayOptions) -> dict[str, tuple[str, Hardware]]:
    """The levels by name: each with its title in the plot, and its hardware."""
    size, name = " x ".join(map(str, grid.sides)), scale.upper()
    stays = f",\n{grid.dataflow}-stationary" if grid.dataflow else ""
    return {
        "mac": ("MAC", Hardware(MAC)),
        "array_of_macs": (f"array of\n{size} MACs{stays}", Hardware(ARRAY, 1, grid=grid)),
        "unit": (f"unit of {lanes} lanes,\ninteger", Hardware(DOT, lanes)),
        "unit_scaled": (f"unit of {lanes} lanes,\n{name}, FP32", Hardware(DOT, lanes, scale)),
        "array": (f"array of {size}\nsuch units{stays}", Hardware(ARRAY, lanes, scale, grid=grid)),
    }


def _level(
    name: str,
    title: str,
    hardware: Hardware,
    formats: Sequence[Format],
    operand: Format | None,
    technology: "Technology",
    terms: int,
    jobs: int | None,
) -> "Level":
    """Synthesize one level for all formats."""
    from halfbyte.pareto.levels import Level

    records = hardware.synthesize(formats, operand, technology, terms=terms, jobs=jobs)
    return Level(name, title, tuple(records))


def _show(technology: str, levels: "Sequence[Level]") -> None:
    """Print areas per lane at every level, and the pairs of formats whose order changes."""
    from halfbyte.pareto.levels import BASELINE
    from halfbyte.pareto.ranking import order_changes

    titles = {level.name: level.title.replace("\n", " ") for level in levels}
    columns = ["format", *(f">{title}" for title in titles.values())]
    order = sorted(levels[-1].relative, key=lambda name: levels[-1].relative[name])
    rows = [
        [name, *(f"{level.areas[name]:,.1f} ({level.relative[name]:.3f})" for level in levels)]
        for name in order
    ]
    caption = (
        f"area in µm² for each product per cycle; in brackets: the area relative to {BASELINE}"
    )
    table(f"Formats from MAC to array, {technology}", columns, rows, caption)
    changes = order_changes({titles[each.name]: each.records for each in levels}, "area_um2")
    if not changes:
        console.print("the order of the formats is the same at all levels, within 1 %")
        return
    console.print(
        f"pairs of formats whose order changes between levels by more than 1 %: {len(changes)}"
    )
    for change in changes:
        console.print(
            f"  {change.first} before {change.second}: {'; '.join(change.first_better)} | "
            f"after it: {'; '.join(change.second_better)}",
            highlight=False,
        )
