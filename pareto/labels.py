"""Place the labels of a plot's points close to their markers, where they overlap little."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import hypot, inf

from matplotlib.axes import Axes
from matplotlib.backend_bases import RendererBase
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.text import Annotation, Text
from matplotlib.transforms import Bbox

from halfbyte.base.figures import scaled

__all__ = ["Label", "box_distance", "place_labels"]

Corners = Sequence[tuple[float, float]]

_SIZE = 10  # of letters, in points
_MARKER_POINTS = 9  # side of the box around a marker
_LINE_POINTS = 2  # from a line to the edge of the boxes that cover it
_PIECES = 12  # boxes that cover a slanted line
# Beyond this distance in points a thin line leads from the label to its marker.
_LEADER = 16
# A label must be closer to its own marker than to any other marker, by this distance.
_CLEARLY_POINTS = 3
# Space between two labels, in points.
_GAP = 2
# The cost of a place for a label is the number of pixels of the label that overlap something, plus
# three other costs. The first is the cost of each pixel by which another marker is too close.
_FOREIGN = 200.0
# The cost of each pixel on a line: a text that is struck through is hard to read.
_STRUCK = 8.0
# The cost of each pixel outside the frame.
_OUTSIDE = 8.0
# The number of rounds. In each round, every label is moved to its best place among the others.
_ROUNDS = 3
# The possible places of a label, in points from its marker, near places first.
_PLACES = [
    (dx * distance, dy * distance)
    for distance in (8, 13, 20, 29, 40, 54)
    for dx, dy in ((1, 0.6), (1, -0.6), (-1, 0.6), (-1, -0.6), (0, 1.1), (0, -1.1), (1, 0), (-1, 0))
]


@dataclass(frozen=True)
class Label:
    """A text at the point ``(x, y)`` in data coordinates; prominent labels are placed first."""

    text: str
    x: float
    y: float
    colour: str
    prominent: bool


def place_labels(axes: Axes, labels: Sequence[Label], *lines: Corners) -> None:
    """Write each label close to its own marker, where it overlaps as little as possible.

    Labels avoid ``lines``, each given by its corners in data coordinates. The limits of ``axes``
    must be final. Raises TypeError unless the figure is drawn by Agg, which can measure text.
    """
    canvas = axes.figure.canvas
    canvas.draw()
    if not isinstance(canvas, FigureCanvasAgg):
        raise TypeError(f"Labels need a FigureCanvasAgg, not {type(canvas).__name__}")
    renderer = canvas.get_renderer()  # type: ignore[no-untyped-call]
    pixels_per_point = scaled(axes.figure.dpi / 72)
    ordered = sorted(labels, key=lambda each: (not each.prominent, each.x, each.text))
    markers = [_marker_box(axes, label, pixels_per_point) for label in ordered]
    struck = [box for corners in lines for box in _line_boxes(axes, corners, pixels_per_point)]
    frame = axes.get_window_extent()
    clearly, gap = _CLEARLY_POINTS * pixels_per_point, _GAP * pixels_per_point
    texts = [_write(axes, label) for label in ordered]
    boxes: dict[int, Bbox] = {}
    for own, text in [*enumerate(texts)] * _ROUNDS:
        taken = [*markers, *(box.padded(gap) for other, box in boxes.items() if other != own)]
        costs = []
        for place in _PLACES:
            box = _move(text, place, renderer)
            foreign = max(0.0, _too_far(box, own, markers) + clearly)
            strikes = _STRUCK * _overlap(box, struck)
            costs.append(_cost(box, taken, frame) + strikes + _FOREIGN * foreign)
            if costs[-1] == 0:
                break
        place = _PLACES[costs.index(min(costs))]
        boxes[own] = _move(text, place, renderer)
        if text.arrow_patch is not None:
            text.arrow_patch.set_visible(hypot(*place) > _LEADER)


def box_distance(box: Bbox, marker: Bbox) -> float:
    """Pixels from a box to the middle of a marker; 0 within the box."""
    x, y = (marker.x0 + marker.x1) / 2, (marker.y0 + marker.y1) / 2
    return hypot(max(box.x0 - x, x - box.x1, 0.0), max(box.y0 - y, y - box.y1, 0.0))


def _too_far(box: Bbox, own: int, markers: Sequence[Bbox]) -> float:
    """By how many pixels the nearest other marker is closer to the box than the box's own marker.

    The number is negative if the box's own marker is closer.
    """
    others = [box_distance(box, each) for place, each in enumerate(markers) if place != own]
    return box_distance(box, markers[own]) - min(others, default=inf)


def _marker_box(axes: Axes, label: Label, pixels_per_point: float) -> Bbox:
    x, y = axes.transData.transform((label.x, label.y))
    side = _MARKER_POINTS * pixels_per_point
    return Bbox.from_bounds(x - side / 2, y - side / 2, side, side)


def _line_boxes(axes: Axes, corners: Corners, pixels_per_point: float) -> list[Bbox]:
    """Thin boxes that cover the line; several boxes cover a slanted piece of it."""
    pad = _LINE_POINTS * pixels_per_point
    ends = [axes.transData.transform(corner) for corner in corners]
    pixels = ends[:1]
    for one, other in pairwise(ends):
        pieces = _PIECES if abs(other - one).min() > pad else 1
        pixels += [one + (other - one) * (piece + 1) / pieces for piece in range(pieces)]
    return [
        Bbox([[min(x0, x1) - pad, min(y0, y1) - pad], [max(x0, x1) + pad, max(y0, y1) + pad]])
        for (x0, y0), (x1, y1) in pairwise(pixels)
    ]


def _write(axes: Axes, label: Label) -> Annotation:
    text = axes.annotate(
        label.text,
        (label.x, label.y),
        textcoords="offset points",
        xytext=(0, 0),
        fontsize=scaled(_SIZE if label.prominent else _SIZE - 1),
        fontweight="bold" if label.prominent else "normal",
        color=label.colour,
        alpha=1.0 if label.prominent else 0.85,
        arrowprops={"arrowstyle": "-", "color": "#999999", "linewidth": 0.5, "shrinkB": scaled(4)},
        zorder=4,
    )
    text.set_in_layout(False)  # the axes must not shrink to make room for the text
    return text


def _move(text: Annotation, place: tuple[float, float], renderer: RendererBase) -> Bbox:
    """Put the text at ``place`` and return the box of its letters, in pixels."""
    dx, dy = (scaled(each) for each in place)
    text.set_position((dx, dy))
    text.set_horizontalalignment("left" if dx > 0 else "right" if dx < 0 else "center")
    text.set_verticalalignment("bottom" if dy > 0 else "top" if dy < 0 else "center")
    text.update_positions(renderer)
    # The extent of the text alone: an annotation's own extent includes its arrow.
    return Bbox(Text.get_window_extent(text).get_points())


def _cost(box: Bbox, taken: Sequence[Bbox], frame: Bbox) -> float:
    """The cost of a box, for its pixels that overlap ``taken`` boxes or are outside the frame."""
    inside = Bbox.intersection(box, frame)
    outside = _pixels(box) - (_pixels(inside) if inside else 0.0)
    return _overlap(box, taken) + _OUTSIDE * outside


def _overlap(box: Bbox, taken: Sequence[Bbox]) -> float:
    """The pixels of the box that each of the ``taken`` boxes overlaps, added up."""
    shared = [Bbox.intersection(box, other) for other in taken]
    return sum(_pixels(each) for each in shared if each)


def _pixels(box: Bbox) -> float:
    return float(box.width * box.height)
