"""Draw the accuracy of formats against their cost, with the frontier."""

from collections.abc import Mapping, Sequence
from textwrap import wrap

from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter

from halfbyte.base.figures import legend_above, scaled, text_width
from halfbyte.pareto.frontier import Point, frontier
from halfbyte.pareto.labels import Label, place_labels

__all__ = ["LINE", "draw_frontier", "steps"]

# Okabe and Ito's colours, which colour-blind readers can tell apart, by family of formats.
_COLOURS = {
    "integer": "#000000",
    "minifloat": "#0072B2",
    "apot": "#009E73",
    "quantile": "#D55E00",
    "values": "#CC79A7",
}
_FAMILY_NAMES = {
    "integer": "integer",
    "minifloat": "minifloat",
    "apot": "additive powers of two",
    "quantile": "table of quantiles",
    "values": "other value lists",
}
LINE = "#555555"
_QUIET = 0.45  # opacity of points that are not on the frontier
_LOSSLESS = "#7A4F9A"
# The lossless point is drawn near the right edge if it costs more than _FAR times the greatest cost
# of the others. Its hollow marker is then _EDGE of the width away from the edge.
_FAR, _EDGE = 1.5, 0.06
# Room for labels beside the outermost points, as a share of the axis. A picture nine inches wide
# has _MARGIN. A narrower one has more, but at most _WIDEST_MARGIN.
_MARGIN, _INCHES, _WIDEST_MARGIN = 0.1, 9.0, 0.25
# The length of the vertical axis as a share of the picture's height, and the width of a letter.
_AXIS_SHARE, _LETTER_POINTS = 0.85, 5.5


def draw_frontier(
    axes: Axes,
    points: Sequence[Point],
    *,
    titles: Mapping[str, str],
    families: Mapping[str, str],
    cost_label: str,
    quality_label: str,
    intervals: Mapping[str, tuple[float, float]],
    lossless: Point | None = None,
    cost_unit: str = "",
    is_loss: bool = False,
) -> None:
    """Draw ``points`` with the frontier as a staircase; every point gets its title.

    Parameters
    ----------
    axes : Axes
        Where to draw; cost is horizontal, quality vertical.
    points : sequence of Point
        Cost and quality of each format.
    titles, families : mapping of str
        Title and family of each format; the family gives the colour.
    cost_label, quality_label : str
        Labels of the axes, with their units.
    intervals : mapping of str to pair of float
        The 95 % interval of a format's quality, drawn as a bar; it may be missing.
    lossless : Point, optional
        A point without loss of accuracy: BF16 weights, compressed. If it costs far more than all
        others, it is drawn at the right edge with an arrow and its cost, so that the others are not
        squeezed. Its title is in ``titles``.
    cost_unit : str
        The unit of the lossless point's cost.
    is_loss : bool
        Whether the quality is a negated loss. The axis then shows the loss itself, which grows
        downwards.
    """
    is_far = lossless is not None and lossless.cost > _FAR * max(each.cost for each in points)
    drawn_at_cost = [lossless] if lossless is not None and not is_far else []
    best = frontier([*points, *drawn_at_cost])
    for point in points:
        on_frontier = point in best
        axes.scatter(
            point.cost,
            point.quality,
            s=scaled(8.4 if on_frontier else 6.9) ** 2,
            color=_COLOURS[families[point.format]],
            alpha=1.0 if on_frontier else _QUIET,
            edgecolors="white",
            linewidths=scaled(0.6),
            zorder=3,
        )
        if point.format in intervals:
            low, high = intervals[point.format]
            width = scaled(1)
            axes.vlines(point.cost, low, high, color=LINE, alpha=_QUIET, linewidth=width, zorder=1)
    axes.set_xlabel(f"{cost_label} (less is better)")
    better, letters = f"({'less' if is_loss else 'more'} is better)", _letters_beside(axes)
    upwards = f"{quality_label} {better}"
    lines = [upwards] if len(upwards) <= letters else [*wrap(quality_label, letters), better]
    axes.set_ylabel("\n".join(lines))
    if is_loss:
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{0 - value:g}"))
    if lossless is not None:
        place = min(each.cost for each in points) if is_far else lossless.cost
        axes.scatter(place, lossless.quality, s=0)  # makes room
    margin = _MARGIN * _INCHES / text_width(axes.figure)
    axes.margins(x=min(_WIDEST_MARGIN, margin), y=_MARGIN)
    right = axes.get_xlim()[1]
    corners = steps(best, right)
    axes.plot(*zip(*corners, strict=True), color=LINE, linewidth=scaled(1.3), zorder=2)
    axes.set_xlim(right=right)
    _draw_legend(axes, {families[point.format] for point in points})
    axes.grid(visible=True, color="#e6e6e6", linewidth=scaled(0.6), zorder=0)
    axes.spines[["top", "right"]].set_visible(False)
    labels = _labels(points, best, titles, families)
    if lossless is not None:
        title = titles[lossless.format]
        if is_far:
            title += f",\nbeyond the edge: {_figure(lossless.cost)} {cost_unit}".rstrip()
        labels.append(_draw_lossless(axes, lossless, title, is_far, right))
    bars = [
        [(point.cost, end) for end in intervals[point.format]]
        for point in points
        if point.format in intervals
    ]
    place_labels(axes, labels, corners, *bars)


def _letters_beside(axes: Axes) -> int:
    """The number of letters in a label that is about as long as the vertical axis."""
    height = axes.figure.bbox.height / axes.figure.dpi * 72
    return int(_AXIS_SHARE * height / scaled(_LETTER_POINTS))


def _figure(value: float) -> str:
    return f"{value:,.0f}" if value >= 1000 else f"{value:,.4g}"


def _labels(
    points: Sequence[Point],
    best: Sequence[Point],
    titles: Mapping[str, str],
    families: Mapping[str, str],
) -> list[Label]:
    """A label for each point; formats of equal cost and quality share one label."""
    places: dict[tuple[float, float], list[Point]] = {}
    for point in points:
        places.setdefault((point.cost, point.quality), []).append(point)
    return [
        Label(
            text=", ".join(titles[point.format] for point in group),
            x=cost,
            y=quality,
            colour=_COLOURS[families[group[0].format]],
            prominent=group[0] in best,
        )
        for (cost, quality), group in places.items()
    ]


def _draw_lossless(axes: Axes, point: Point, title: str, is_far: bool, right: float) -> Label:
    """Draw the marker of the lossless point, at the edge if ``is_far``; returns its label."""
    left = axes.get_xlim()[0]
    place = right - _EDGE * (right - left) if is_far else point.cost
    axes.scatter(
        place,
        point.quality,
        s=scaled(7.5) ** 2,
        marker="D",
        facecolors="white" if is_far else _LOSSLESS,
        edgecolors=_LOSSLESS,
        linewidths=scaled(1.3),
        zorder=3,
    )
    if is_far:
        axes.annotate(
            "",
            (right, point.quality),
            (place, point.quality),
            arrowprops={"arrowstyle": "-|>", "color": _LOSSLESS, "linewidth": scaled(1.3)},
            annotation_clip=False,
        )
    return Label(text=title, x=place, y=point.quality, colour=_LOSSLESS, prominent=True)


def steps(best: Sequence[Point], right: float) -> list[tuple[float, float]]:
    """Corners of the frontier's staircase, which is flat up to the cost of the next point."""
    corners = [(best[0].cost, best[0].quality)]
    for point in best[1:]:
        corners += [(point.cost, corners[-1][1]), (point.cost, point.quality)]
    return [*corners, (right, corners[-1][1])]


def _draw_legend(axes: Axes, shown: set[str]) -> None:
    for family, colour in _COLOURS.items():
        if family in shown:
            axes.scatter([], [], s=scaled(7) ** 2, color=colour, label=_FAMILY_NAMES[family])
    axes.plot([], [], color=LINE, linewidth=scaled(1.3), label="frontier")
    legend_above(axes)
