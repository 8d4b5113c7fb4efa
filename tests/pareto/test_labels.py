"""Labels keep off each other, off markers and off the frontier."""

import pytest
from matplotlib.backend_bases import FigureCanvasBase
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text

from halfbyte.pareto.labels import Label, place_labels


def test_labels_of_close_points_do_not_overlap():
    figure = Figure(figsize=(8, 6), dpi=100)
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    axes.set(xlim=(0, 10), ylim=(0, 10))
    labels = [
        Label(f"format {index}", 5 + 0.1 * index, 5 + 0.05 * index, "black", index % 2 == 0)
        for index in range(6)
    ]
    place_labels(axes, labels, [(0, 5), (10, 5)])
    boxes = [Text.get_window_extent(text) for text in axes.texts]
    assert len(boxes) == len(labels)
    pairs = [(a, b) for i, a in enumerate(boxes) for b in boxes[i + 1 :]]
    assert not [pair for pair in pairs if pair[0].overlaps(pair[1])]
    _, line = axes.transData.transform((0, 5))
    assert not [box for box in boxes if box.y0 < line < box.y1]


def test_a_figure_that_cannot_measure_text_is_refused():
    figure = Figure()
    FigureCanvasBase(figure)
    with pytest.raises(TypeError, match="need a FigureCanvasAgg, not FigureCanvasBase"):
        place_labels(figure.add_subplot(), [])
