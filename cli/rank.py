"""``halfbyte rank``: rank formats by area, delay and energy, in several technologies.

With ``--levels``, rank them by area alone: as MACs, in dot-product units, and in arrays.
"""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer

from halfbyte.base.tables import write_json
from halfbyte.cli.array import ArrayOptions
from halfbyte.cli.dot import DEFAULT_LANES
from halfbyte.cli.levels import (
    DEFAULT_BITS,
    DEFAULT_SCALE,
    check_levels_only,
    check_without_levels,
    rank_levels,
)
from halfbyte.cli.look import PictureOptions, folder_of_run
from halfbyte.cli.options import (
    DEFAULT_TERMS,
    Activation,
    FormatNames,
    Jobs,
    Json,
    OperandSet,
    Terms,
    listed,
    load_formats,
    load_optional,
    pick_operands,
)
from halfbyte.cli.output import console, number, print_json, progress, say, table

if TYPE_CHECKING:
    from halfbyte.area import SynthesisRecord

    Columns = Mapping[str, Sequence[SynthesisRecord]]

__all__ = ["rank"]

Technologies = Annotated[
    str | None,
    typer.Option(
        "--techs",
        help="Technology cards, separated by commas; all if not given.",
        show_default=False,
    ),
]
FanOutsOfFour = Annotated[
    float | None,
    typer.Option(
        "--fo4",
        min=1,
        help="Also rank areas at a clock of this many FO4 delays. An FO4 delay is that of an "
        "inverter that drives four others, so clocks are comparable between technologies.",
        show_default=False,
    ),
]
Levels = Annotated[
    bool,
    typer.Option(
        "--levels",
        help="Rank by area alone: as MACs, in dot-product units and in arrays. Draw a picture, "
        "too. By default in sky130hd, for formats of at most 4 bits.",
    ),
]
LevelLanes = Annotated[
    int | None,
    typer.Option(
        "--lanes",
        help="With --levels: number of products that a dot-product unit computes per cycle.",
        show_default=str(DEFAULT_LANES),
    ),
]
LevelScale = Annotated[
    str | None,
    typer.Option(
        "--scale",
        help="With --levels: type of the block scales of dot-product units: none, e8m0 (as in "
        "MXFP4), e4m3 (as in NVFP4) or ue5m3.",
        show_default=DEFAULT_SCALE,
    ),
]


def rank(
    names: FormatNames = None,
    *,
    techs: Technologies = None,
    fo4: FanOutsOfFour = None,
    activation: Activation = None,
    terms: Terms = DEFAULT_TERMS,
    operands: OperandSet = None,
    levels: Levels = False,
    lanes: LevelLanes = None,
    scale: LevelScale = None,
    grid: ArrayOptions,
    pictures: PictureOptions,
    jobs: Jobs = None,
    json: Json = False,
) -> None:
    """Rank formats by area, delay and energy of their smallest MACs, in every technology."""
    from halfbyte.area import load_technology, synthesize, technology_names
    from halfbyte.area.timing.delay import inverter_delay
    from halfbyte.rtl import MacSpec

    other, formats = load_optional(activation), load_formats(names)
    chosen = listed(techs, "--techs") if techs else technology_names()
    folder = folder_of_run(
        "rank",
        formats=names,
        techs=techs,
        fo4=fo4,
        activation=activation,
        terms=None if terms == DEFAULT_TERMS else terms,
        operands=operands,
        lanes=lanes,
        scale=scale,
        **vars(grid),
    )
    if levels:
        check_without_levels(fo4=fo4, operands=operands)
        rank_levels(
            [fmt for fmt in formats if names or fmt.bits <= DEFAULT_BITS],
            [load_technology(name) for name in (chosen if techs else [None])],
            operand=other,
            lanes=DEFAULT_LANES if lanes is None else lanes,
            scale=scale or DEFAULT_SCALE,
            grid=grid,
            terms=terms,
            folder=folder,
            look=pictures.look(),
            jobs=jobs,
            json=json,
        )
        return
    check_levels_only(lanes=lanes, scale=scale, **vars(grid), **vars(pictures))
    designs = [MacSpec(fmt, other or fmt, "auto", terms) for fmt in formats]
    measured_on = pick_operands(operands)
    relaxed, clocked = {}, {}
    for technology in [load_technology(name) for name in chosen]:
        with progress(f"Synthesis, {technology.name}") as update:
            run = partial(
                synthesize,
                designs,
                technology,
                operands=measured_on,
                jobs=jobs,
                on_progress=update,
            )
            relaxed[technology.name] = run()
            if fo4:
                clock = round(fo4 * inverter_delay(technology), 1)
                clocked[technology.name] = run(clock_ps=clock)
    records = [record for of in (relaxed, clocked) for each in of.values() for record in each]
    shown = [record.as_json() for record in records]
    path = write_json(folder / "rank.json", shown)
    if json:
        print_json(records)
        return
    _show(relaxed, "no timing constraint", ("area_um2", "delay_ps", "glitch_energy_fj"))
    if fo4:
        _show(clocked, f"clock of {fo4:g} FO4 delays", ("area_um2", "slack_ps", "glitch_energy_fj"))
    for line in _changes(relaxed, clocked, fo4):
        console.print(line, highlight=False)
    say(f"wrote {path}")


def _show(columns: "Columns", constraint: str, fields: Sequence[str]) -> None:
    """Print a row for each format: in each technology, its numbers with their ranks."""
    from halfbyte.pareto.ranking import CRITERIA, figure_of, rank_by

    titles = {"area_um2": "µm²", "delay_ps": "ps", "glitch_energy_fj": "fJ", "slack_ps": "slack ps"}
    digits = {"area_um2": 1, "delay_ps": 0, "glitch_energy_fj": 1, "slack_ps": 0}
    ranks = {
        (name, field): rank_by(records, field)
        for name, records in columns.items()
        for field in fields
        if field in CRITERIA
    }

    def entry(name: str, record: "SynthesisRecord", field: str) -> str:
        place = ranks.get((name, field), {}).get(record.format)
        text = number(figure_of(record, field), digits[field])
        return text if place is None else f"{text} ({place})"

    head = ["format", *(f">{name} {titles[field]}" for name in columns for field in fields)]
    rows = [
        [
            of_format[0].format,
            *(
                entry(name, record, field)
                for name, record in zip(columns, of_format, strict=True)
                for field in fields
            ),
        ]
        for of_format in zip(*columns.values(), strict=True)
    ]
    first = next(iter(columns.values()))[0]
    clocks = ", ".join(
        f"{name} {records[0].clock_ps:,g} ps"
        for name, records in columns.items()
        if records[0].clock_ps is not None
    )
    caption = (
        f"{first.terms} terms{f'; {clocks}' if clocks else ''}. In brackets: the rank; the "
        f"least number has rank 1. Energy per MAC on operands of {first.operands}."
    )
    table(f"Formats by technology, {constraint}", head, rows, caption)


def _changes(relaxed: "Columns", clocked: "Columns", fo4: float | None) -> list[str]:
    """Lines on pairs of formats whose order changes with technology or clock, by more than 1 %."""
    from halfbyte.pareto.ranking import CRITERIA, order_changes

    lines = []
    for field, criterion in CRITERIA.items():
        columns = dict(relaxed)
        if field != "delay_ps":
            columns |= {f"{name} at {fo4:g} FO4": records for name, records in clocked.items()}
        changes = order_changes(columns, field)
        lines.append(
            f"order by {criterion}: the same in all columns, within 1 %"
            if not changes
            else f"pairs whose order by {criterion} changes: {len(changes)}"
        )
        lines += [
            f"  {change.first} before {change.second} in {', '.join(change.first_better)}; "
            f"after it in {', '.join(change.second_better)}"
            for change in changes
        ]
    return lines
