"""Labels in a plot do not overlap each other or the frontier; each is nearest to its own point."""

import pytest
from matplotlib.backend_bases import FigureCanvasBase
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text
from matplotlib.transforms import Bbox

from halfbyte.base.figures import picture
from halfbyte.base.look import Look
from halfbyte.formats import load
from halfbyte.pareto.frontier import Point
from halfbyte.pareto.labels import Label, box_distance, place_labels
from halfbyte.pareto.plot import draw_frontier

# The points of two plots of an earlier release: format, MAC area in um^2, quality. The plots in the
# documentation now have similar points.
SHIPPED = {
    "fidelity": [
        ("e1m2", 880.8448, 0.958134),
        ("apot4", 959.6704, 0.972431),
        ("apot4_sp", 1025.984, 0.975781),
        ("int4", 1027.2352, 0.958134),
        ("e2m1", 1028.4864, 0.971267),
        ("e2m1_sp", 1119.824, 0.973247),
        ("e2m1_sr", 1122.3264, 0.974272),
        ("e3m0", 1311.2576, 0.940237),
        ("int5", 1357.552, 0.990147),
        ("e2m1_i", 1375.0688, 0.950266),
        ("e2m1_b", 1515.2032, 0.948432),
        ("sf4_lut6", 1611.5456, 0.976978),
        ("sf4", 2404.8064, 0.976561),
        ("nf4", 2547.4432, 0.97459),
    ],
    "published": [
        ("apot4", 959.6704, -11.663333),
        ("apot4_sp", 1025.984, -11.103333),
        ("int4", 1027.2352, -20.426667),
        ("e2m1", 1028.4864, -10.34),
        ("e2m1_sp", 1119.824, -9.86),
        ("e2m1_sr", 1122.3264, -17.03),
        ("e3m0", 1311.2576, -12.183333),
        ("e2m1_i", 1375.0688, -16.543333),
        ("e2m1_b", 1515.2032, -18.396667),
        ("sf4", 2404.8064, -8.97),
        ("nf4", 2547.4432, -9.876667),
    ],
}


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


@pytest.mark.parametrize("width", [None, 180.0, 88.0])
@pytest.mark.parametrize("name", SHIPPED)
def test_every_label_of_the_documented_plots_is_nearest_to_its_own_dot(name, width):
    points = [Point(*row) for row in SHIPPED[name]]
    formats = {each.format: load(each.format) for each in points}
    titles = {each: fmt.title for each, fmt in formats.items()}
    with picture(9.0, 6.2, title="", caption="", look=Look(width_mm=width)) as drawn:
        axes = drawn.figure.add_subplot()
        draw_frontier(
            axes, points, titles=titles,
            families={each: fmt.family for each, fmt in formats.items()},
            cost_label="area", quality_label="quality", intervals={},
        )  # fmt: skip
        boxes = {text.get_text(): Bbox(Text.get_window_extent(text)) for text in axes.texts}
    dots = {
        titles[each.format]: Bbox([axes.transData.transform((each.cost, each.quality))] * 2)
        for each in points
    }
    assert boxes.keys() == dots.keys()
    for title, box in boxes.items():
        nearest = min(dots, key=lambda each: box_distance(box, dots[each]))
        assert nearest == title
    # Boxes may overlap by half a pixel: letters do not fill them to the edge.
    placed = [box.padded(-0.5) for box in boxes.values()]
    pairs = [(a, b) for i, a in enumerate(placed) for b in placed[i + 1 :]]
    assert not [pair for pair in pairs if pair[0].overlaps(pair[1])]
