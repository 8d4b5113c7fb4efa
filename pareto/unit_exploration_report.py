"""Write the findings on dot-product units: a plot, a table of the best units, CSV and JSON.

A unit has one *lane* for each product of a cycle. The values of a block share a scale. The unit
applies the scales itself, or the scales stay *outside*: the unit does not apply them. SQNR is the
signal-to-quantization-noise ratio. *Net* SQNR is SQNR minus the dB that the bits of the scales
would gain if they lengthened the codes instead.
"""

from collections.abc import Sequence
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.ticker import FixedLocator, NullLocator, StrMethodFormatter

from halfbyte.area.search.dot_records import DotRecord
from halfbyte.base import Json, write_atomically
from halfbyte.base.figures import picture, scaled
from halfbyte.base.look import OWN_LOOK, Look
from halfbyte.base.tables import markdown_table, write_rows
from halfbyte.pareto.labels import Label, place_labels
from halfbyte.pareto.unit_exploration import (
    DB_PER_BIT,
    TOLERANCE,
    UnitCandidate,
    best_blocks,
    on_frontier,
)

__all__ = ["best_rows", "write_units"]

_SIZE_INCHES = (11.5, 6.8)
_COLOURS = {None: "#000000", "e8m0": "#0072B2", "e4m3": "#D55E00", "ue5m3": "#009E73"}
_MARKERS = {None: "s", "e8m0": "o", "e4m3": "^", "ue5m3": "v"}
_GREY = "#555555"
# Formats with more bits are only in the tables: in the plot they would squeeze the others.
_MOST_BITS = 4
# What the columns of `best_rows` mean, for the file with the table.
_COLUMNS_NOTE = (
    "\nBest block: the number of products that share a scale, with the greatest net SQNR. "
    "Best lanes: the number of lanes with the least area per lane. Enough lanes: the least number "
    f"whose area per lane is at most {TOLERANCE:.0%} larger than that. SQNR: "
    "signal-to-quantization-noise ratio of layers' results. Bits of scales: bits that the scales "
    f"add to each value. Net: SQNR minus {DB_PER_BIT} dB times these bits.\n"
)


def write_units(
    title: str,
    candidates: Sequence[UnitCandidate],
    records: Sequence[DotRecord],
    source: str,
    folder: Path,
    look: Look = OWN_LOOK,
) -> list[Path]:
    """Write ``units`` (a plot, CSV, JSON) and ``best_units`` (a Markdown table); returns the files.

    ``source`` names the model on whose layers the signal-to-noise ratio was measured.
    """
    drawn = [each for each in candidates if each.format.bits <= _MOST_BITS] or list(candidates)
    path = folder / "units"
    caption = _caption(records, source)
    with picture(*_SIZE_INCHES, title=title, caption=caption, look=look) as made:
        left, right = made.figure.subplots(1, 2, width_ratios=(3, 4))
        _draw_lanes(left, best_blocks(drawn))
        _draw_blocks(right, drawn)
        written = made.save(path)
    written += write_rows(path, [row for each in candidates for row in _rows(each)])
    table = path.with_name("best_units.md")
    write_atomically(table, markdown_table(*best_rows(candidates)) + _COLUMNS_NOTE)
    return [*written, table]


def best_rows(candidates: Sequence[UnitCandidate]) -> tuple[list[str], list[list[str]]]:
    """Columns and rows of a table: the best block size for each format and type of scales.

    The best number of lanes is the one with the least area per lane. ``enough lanes`` is the least
    number whose area per lane is at most 2 % larger than that. ``bits of scales`` is the number of
    bits that the scales add to each value. ``net`` is the net SQNR.

    Columns that start with ``>`` are right-aligned. In a narrow terminal, those that start with
    ``~`` are left out.
    """
    columns = ["format", "scales", ">best\nblock", ">best\nlanes", ">area per\nlane µm²"]
    columns += ["~>enough\nlanes", ">SQNR\ndB", "~>bits of\nscales", ">net\ndB"]
    best = sorted(best_blocks(candidates), key=lambda each: (each.format.name, each.scale or ""))
    rows = [
        [
            each.format.title,
            each.scale or "outside",
            str(each.block),
            str(each.lanes),
            f"{each.um2_per_lane:,.1f}",
            str(each.enough_lanes),
            f"{each.sqnr_db:.2f}",
            f"{each.scale_bits:.3g}",
            f"{each.net_db:.2f}",
        ]
        for each in best
    ]
    return columns, rows


def _rows(candidate: UnitCandidate) -> list[dict[str, Json]]:
    """A row of data for each number of lanes."""
    return [
        {
            "format": candidate.format.name,
            "scale": candidate.scale,
            "block": candidate.block,
            "lanes": lanes,
            "um2_per_lane": area,
            "sqnr_db": candidate.sqnr_db,
            "scale_bits": candidate.scale_bits,
            "net_db": round(candidate.net_db, 3),
        }
        for lanes, area in sorted(candidate.areas.items())
    ]


def _caption(records: Sequence[DotRecord], source: str) -> str:
    first = records[0]
    versions = ", ".join(f"{tool} {version}" for tool, version in first.versions.items())
    proved = "proved" if all(record.is_proved for record in records) else "not proved"
    recipes = ", ".join(sorted({record.recipe for record in records}))
    return (
        f"Area: {first.technology}, {first.corner}, both operands in the format, no timing "
        f"constraint, without wires, recipe {recipes}, netlists {proved}; {versions}. SQNR: "
        f"signal-to-quantization-noise ratio of layers' results, both operands quantized, mean "
        f"over the layers of {source}. Net: SQNR minus {DB_PER_BIT} dB times the bits per value "
        "that the scales take. Scales outside: an integer accumulator, and FP32 scales of blocks "
        "of 128 that the unit does not apply. Labels: format and block size, for the points on the "
        "frontier, and for the point with the greatest net SQNR of each other format"
    )


def _draw_lanes(axes: Axes, best: Sequence[UnitCandidate]) -> None:
    """Draw the area per lane by the number of lanes, for each format and scale type.

    The block size is the best one.
    """
    for each in best:
        lanes = sorted(each.areas)
        axes.plot(
            lanes, [each.areas[count] for count in lanes], color=_COLOURS[each.scale],
            marker=_MARKERS[each.scale], markersize=scaled(3), linewidth=scaled(0.9), alpha=0.75,
        )  # fmt: skip
    axes.set_xscale("log", base=2)
    axes.set_yscale("log")
    axes.set_title("Lanes: every format at its best block size", loc="left", fontsize=scaled(10))
    axes.set_xlabel("lanes")
    axes.set_ylabel("area per lane, µm² (less is better)")
    shown = sorted({count for each in best for count in each.areas})
    axes.set_xticks(shown, [str(count) for count in shown])
    axes.yaxis.set_major_locator(FixedLocator([200, 300, 500, 1000, 2000, 3000, 5000, 10000]))
    axes.yaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
    _finish(axes)


def _draw_blocks(axes: Axes, candidates: Sequence[UnitCandidate]) -> None:
    """Draw net SQNR against the least area per lane; lines join the block sizes of a format."""
    groups: dict[tuple[str, str | None], list[UnitCandidate]] = {}
    for each in candidates:
        groups.setdefault((each.format.name, each.scale), []).append(each)
    for (_, scale), group in groups.items():
        group.sort(key=lambda each: each.block)
        axes.plot(
            [each.um2_per_lane for each in group], [each.net_db for each in group],
            color=_COLOURS[scale], marker=_MARKERS[scale], markersize=scaled(4),
            linewidth=scaled(0.7), alpha=0.6,
        )  # fmt: skip
    for scale in dict.fromkeys(scale for _, scale in groups):
        axes.plot(
            [], [], color=_COLOURS[scale], marker=_MARKERS[scale],
            label=f"{scale} scales" if scale else "scales outside",
        )  # fmt: skip
    best = on_frontier(candidates)
    axes.plot(
        [each.um2_per_lane for each in best], [each.net_db for each in best],
        color=_GREY, linewidth=scaled(1.6), zorder=1, label="frontier",
    )  # fmt: skip
    axes.set_title(
        "Blocks: every block size at its best number of lanes", loc="left", fontsize=scaled(10)
    )
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(FixedLocator([200, 300, 500, 700, 1000, 1500, 2000, 3000]))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
    axes.set_xlabel("least area per lane, µm² (less is better)")
    axes.set_ylabel("net SQNR of results, dB (more is better)")
    axes.legend(loc="lower right", fontsize=scaled(8), frameon=False)
    _finish(axes)
    lines = [[(each.um2_per_lane, each.net_db) for each in of] for of in (best, *groups.values())]
    place_labels(
        axes,
        [
            Label(
                f"{each.format.title}, {each.block}" if each.scale else each.format.title,
                each.um2_per_lane,
                each.net_db,
                _COLOURS[each.scale],
                each in best,
            )
            for each in _named(candidates, best)
        ],
        *lines,
    )


def _named(
    candidates: Sequence[UnitCandidate], frontier: Sequence[UnitCandidate]
) -> list[UnitCandidate]:
    """The candidates with a label: the frontier, and the best candidate of each other format."""
    best = {each.format.name: each for each in sorted(candidates, key=lambda each: each.net_db)}
    on_it = {each.format.name for each in frontier}
    return [*frontier, *(each for name, each in best.items() if name not in on_it)]


def _finish(axes: Axes) -> None:
    axes.grid(visible=True, color="#e6e6e6", linewidth=scaled(0.6), zorder=0)
    axes.spines[["top", "right"]].set_visible(False)
