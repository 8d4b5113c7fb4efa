"""Draw the plots of an exploration.

One plot shows all formats and their frontier. The others show area, and gain in accuracy, against
the supernormal value.

A *supernormal* value takes the code of negative zero. The *base* of such a format is the same
format with a second zero instead of this value. A *parent* is a distribution of values by which
formats are judged. The *quantum* of a format is the largest number that divides all its values.
"""

from collections.abc import Mapping, Sequence
from fractions import Fraction

from matplotlib import colormaps
from matplotlib.axes import Axes

from halfbyte.base.figures import legend_above, scaled
from halfbyte.pareto.exploration import Candidate, Findings
from halfbyte.pareto.frontier import Point
from halfbyte.pareto.labels import Label, place_labels
from halfbyte.pareto.plot import LINE, steps

__all__ = ["count_outside", "draw_area_by_value", "draw_cloud", "draw_gain_by_value"]

# Okabe and Ito's colours, which colour-blind readers can tell apart; one for each base, in the
# order in which the bases appear.
_COLOURS = ("#0072B2", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
_NO_BASE = "#777777"
_NAMED = "#000000"
# The frame of the plot contains the frontier and the named formats. These are the margins around
# them, as shares of their span. On the side of larger and worse formats the margin is wider.
_BETTER_MARGIN, _WORSE_MARGIN = 0.08, 0.3
_HEADROOM = 0.2  # room above the points for a legend, as a share of the axis
_SHOWN_LOSS_DB = 1.0  # larger losses are cut off
_RIGHT_SHARE = 0.85  # right of this share of the axis, a title stands to the left of its line


def _base_colours(findings: Findings) -> dict[str | None, str]:
    """A colour for each base by its name; key None is for candidates without a base."""
    colours: dict[str | None, str] = {}
    for each in findings.candidates:
        if each.base is not None:
            colours.setdefault(each.base.name, _COLOURS[len(colours) % len(_COLOURS)])
    return {**colours, None: _NO_BASE}


def count_outside(findings: Findings, named: Mapping[str, str]) -> int:
    """The number of candidates outside of the frame that :func:`draw_cloud` draws."""
    parent = findings.parents[0].name
    (left, right), (top, bottom) = _limits(_shown(findings, named), parent)
    inside = [
        left <= each.area_um2 <= right and top <= each.distances[parent] <= bottom
        for each in findings.candidates
    ]
    return inside.count(False)


def _shown(findings: Findings, named: Mapping[str, str]) -> list[Candidate]:
    """The candidates on the frontier and the named candidates."""
    known = [each for each in findings.candidates if each.format.name in named]
    return list(dict.fromkeys([*findings.frontier, *known]))


def draw_cloud(axes: Axes, findings: Findings, named: Mapping[str, str]) -> None:
    """Draw all candidates, the frontier and labels.

    Parameters
    ----------
    axes : Axes
        Where to draw; its figure must use matplotlib's Agg backend.
    findings : Findings
        What to draw.
    named : mapping of str to str
        Titles of the candidates that are named in the plot, by format.
    """
    colours = _base_colours(findings)
    parent = findings.parents[0].name
    best = findings.frontier
    for base, colour in colours.items():
        group = [each for each in findings.candidates if _base_name(each) == base]
        if group:
            axes.scatter(
                [each.area_um2 for each in group],
                [each.distances[parent] for each in group],
                s=scaled(3.6) ** 2, color=colour, alpha=0.4, edgecolors="none", zorder=2,
                label=_group_title(group[0]),
            )  # fmt: skip
    known = [each for each in findings.candidates if each.format.name in named]
    _mark(axes, [each for each in best if each not in known], parent, colours, "o", 6.8)
    _mark(axes, known, parent, colours, "D", 6.6)
    shown = _shown(findings, named)
    (left, right), (top, bottom) = _limits(shown, parent)
    axes.set_xlim(left, right)
    axes.set_ylim(bottom, top)
    corners = steps([Point(e.format.name, e.area_um2, e.distances[parent]) for e in best], right)
    axes.plot(*zip(*corners, strict=True), color=LINE, linewidth=scaled(1.3), zorder=3,
              label="frontier")  # fmt: skip
    axes.scatter(
        [],
        [],
        marker="D",
        s=scaled(6.3) ** 2,
        color="white",
        edgecolors=_NAMED,
        label="shipped formats",
    )
    axes.set_xlabel("MAC area, µm² (less is better)")
    axes.set_ylabel("SQNR lost against the best values, dB (upwards is better)")
    _finish(axes)
    legend_above(axes)
    labels = [
        Label(
            named.get(each.format.name, each.format.title),
            each.area_um2,
            each.distances[parent],
            _NAMED if each.format.name in named else colours[_base_name(each)],
            each in best,
        )
        for each in shown
    ]
    place_labels(axes, labels, corners)


def _mark(
    axes: Axes,
    candidates: Sequence[Candidate],
    parent: str,
    colours: Mapping[str | None, str],
    marker: str,
    size: float,
) -> None:
    axes.scatter(
        [each.area_um2 for each in candidates],
        [each.distances[parent] for each in candidates],
        s=scaled(size) ** 2,
        marker=marker,
        color=[colours[_base_name(each)] for each in candidates],
        edgecolors=_NAMED if marker == "D" else "white",
        linewidths=scaled(0.9),
        zorder=4,
    )


def _base_name(candidate: Candidate) -> str | None:
    return candidate.base.name if candidate.base else None


def _group_title(candidate: Candidate) -> str:
    return f"{candidate.base.title} and one more value" if candidate.base else "others"


def _limits(
    shown: Sequence[Candidate], parent: str
) -> tuple[tuple[float, float], tuple[float, float]]:
    """The frame of the plot: the least and greatest area, and the least and greatest distance."""
    areas = [each.area_um2 for each in shown]
    distances = [each.distances[parent] for each in shown]
    return _with_margins(areas), _with_margins(distances)


def _with_margins(values: Sequence[float]) -> tuple[float, float]:
    """Limits of an axis: the least and greatest values, with a margin around them."""
    span = max(values) - min(values) or 1.0
    return min(values) - _BETTER_MARGIN * span, max(values) + _WORSE_MARGIN * span


def _finish(axes: Axes) -> None:
    axes.grid(visible=True, color="#e6e6e6", linewidth=scaled(0.6), zorder=0)
    axes.spines[["top", "right"]].set_visible(False)


def draw_gain_by_value(
    axes: Axes, group: Sequence[Candidate], findings: Findings, named: Mapping[str, str]
) -> None:
    """Draw by how many dB each supernormal value improves the SQNR of its base, for every parent.

    SQNR is the signal-to-quantization-noise ratio. ``group`` holds a base and its variants.
    """
    base, variants = _split(group)
    styles = ("-", "--", ":", "-.")
    for index, parent in enumerate(findings.parents):
        gains = {
            float(each.supernormal or 0): base.distances[parent.name] - each.distances[parent.name]
            for each in variants
        }
        # The gain of a value that the base already has is 0.
        low, high = min(gains), max(gains)
        gains |= {float(value): 0.0 for value in base.format.values if low <= value <= high}
        axes.plot(
            *zip(*sorted(gains.items()), strict=True), styles[index % len(styles)],
            color=_COLOURS[0] if index == 0 else LINE, linewidth=scaled(1.8 if index == 0 else 1.1),
            label=parent.title, zorder=3,
        )  # fmt: skip
    axes.axhline(0, color=_NAMED, linewidth=scaled(0.8))
    axes.set_ylim(bottom=max(-_SHOWN_LOSS_DB, axes.get_ylim()[0]))
    axes.set_title(f"{base.format.title} and one more value", loc="left", fontweight="bold")
    axes.set_ylabel("gain in SQNR, dB")
    _finish(axes)
    _mark_named(axes, variants, named)


def draw_area_by_value(axes: Axes, group: Sequence[Candidate], named: Mapping[str, str]) -> None:
    """Draw the MAC area for each supernormal value of one base, coloured by the quantum."""
    base, variants = _split(group)
    finest = max(each.refinement for each in variants)
    colours = colormaps["viridis"]
    for refinement in sorted({each.refinement for each in variants}):
        some = [each for each in variants if each.refinement == refinement]
        place = float(
            Fraction(
                refinement.numerator.bit_length() - 1, max(1, finest.numerator.bit_length() - 1)
            )
        )
        axes.scatter(
            [float(each.supernormal or 0) for each in some],
            [each.area_um2 for each in some],
            s=scaled(3.3) ** 2, color=colours(0.92 * place), edgecolors="none", zorder=3,
            label=f"quantum {some[0].format.quantum}",
        )  # fmt: skip
    axes.axhline(
        base.area_um2, color=_NAMED, linewidth=scaled(0.8), label=f"{base.format.title} itself"
    )
    axes.set_xlabel(
        f"supernormal value ({base.format.title} goes to ±{float(base.format.max_value):g})"
    )
    axes.set_ylabel("MAC area, µm²")
    _finish(axes)
    _mark_named(axes, variants, dict.fromkeys(named, ""))
    low, high = axes.get_ylim()
    axes.set_ylim(low, high + _HEADROOM * (high - low))
    axes.legend(loc="upper center", ncols=3, fontsize=scaled(7.5), frameon=True, framealpha=0.9,
                edgecolor="none", handletextpad=0.1, columnspacing=0.8)  # fmt: skip


def _split(group: Sequence[Candidate]) -> tuple[Candidate, list[Candidate]]:
    """The base of a group, and its variants by ascending supernormal value."""
    (base,) = (each for each in group if each.supernormal is None)
    variants = [each for each in group if each.supernormal is not None]
    return base, sorted(variants, key=lambda each: each.supernormal or 0)


def _mark_named(axes: Axes, variants: Sequence[Candidate], named: Mapping[str, str]) -> None:
    """Draw a line at the value of each shipped format, with the format's title on top.

    Each title is one line of text lower than the one before. So the titles of values that are close
    together do not overlap.
    """
    shipped = [each for each in variants if each.format.name in named]
    for row, each in enumerate(shipped):
        value = float(each.supernormal or 0)
        low, high = axes.get_xlim()
        is_right = value > low + _RIGHT_SHARE * (high - low)
        axes.axvline(value, color="#D55E00", linewidth=scaled(0.9), linestyle=(0, (4, 3)), zorder=1)
        axes.annotate(
            named[each.format.name], (value, 1), xycoords=("data", "axes fraction"),
            xytext=(-3 if is_right else 3, -2 - row * scaled(10)), textcoords="offset points",
            fontsize=scaled(8), color="#D55E00", ha="right" if is_right else "left", va="top",
        )  # fmt: skip
