"""Write pictures as PNG, SVG and PDF. The user's settings of matplotlib do not affect them.

Title and caption always go to a text file beside the picture, since a paper or a web page shows
them in its own font. They are in the picture only if its :class:`~halfbyte.base.look.Look` says so.
"""

import io
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from textwrap import wrap

from matplotlib import rcParams, style
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure, SubFigure

from halfbyte.base.files import write_atomically
from halfbyte.base.look import OWN_LOOK, Look

__all__ = ["FIGURE_KINDS", "Picture", "legend_above", "picture", "scaled", "text_width"]

FIGURE_KINDS = ("png", "svg", "pdf", "txt")
_TEXT_POINTS = 10.0
_SCREEN_DPI, _PRINT_DPI = 160, 300
_CAPTION_COLOUR = "#555555"
_TITLE_LETTERS_PER_INCH = 9.0
_CAPTION_LETTERS_PER_INCH = 18.5
_LINE_POINTS = 10.0  # the height that is added for each line of title or caption
# The part of the picture's width, in points, that a legend cannot use, since the labels of the
# vertical axis are there.
_LEGEND_MARGIN = 55.0
_LINE_LETTERS = 100  # the most letters in a line of the text file
# With a fixed salt, the same picture gives the same SVG file. Text is written as text, not as
# outlines, so that it can be searched and edited. In PDF, this needs TrueType fonts (type 42).
_STYLE: dict[str, object] = {
    "svg.hashsalt": "halfbyte",
    "svg.fonttype": "none",
    "pdf.fonttype": 42,
    "font.sans-serif": ["DejaVu Sans", "Verdana", "Arial", "Helvetica"],
}
# Metadata for each kind of file: without a date, the same picture gives the same file.
_DATES: dict[str, dict[str, None]] = {
    "png": {},
    "svg": {"Date": None},
    "pdf": {"CreationDate": None},
}


@dataclass(frozen=True)
class Picture:
    """A matplotlib figure to draw in, with title and caption; ``look`` says how to save it."""

    figure: Figure
    title: str
    caption: str
    look: Look

    def save(self, path: Path) -> list[Path]:
        """Write ``path.png``, ``path.svg``, ``path.pdf``, and ``path.txt`` with title and caption.

        Returns the paths of the files. Call it within the context of :func:`picture`.
        """
        self.figure.canvas.draw()
        self.figure.set_layout_engine("none")  # every kind of file gets the same layout
        dpi = _SCREEN_DPI if self.look.width_mm is None else _PRINT_DPI
        written = []
        for kind, metadata in _DATES.items():
            buffer = io.BytesIO()
            self.figure.savefig(
                buffer,
                format=kind,
                dpi=dpi,
                metadata=metadata,
                transparent=self.look.is_transparent,
            )
            written.append(path.with_name(f"{path.name}.{kind}"))
            write_atomically(written[-1], buffer.getvalue())
        written.append(path.with_name(f"{path.name}.txt"))
        words = [self.title, "", *wrap(self.caption, _LINE_LETTERS)]
        write_atomically(written[-1], "\n".join(words) + "\n")
        return written


@contextmanager
def picture(
    width: float, height: float, *, title: str, caption: str, look: Look = OWN_LOOK
) -> Iterator[Picture]:
    """A context that gives an empty picture of ``width`` by ``height`` inches to draw in.

    If ``look`` has a width, the picture gets that width, and its height changes with it. A title
    and caption in the picture add to its height. Drawing uses matplotlib's defaults and not
    the user's settings. The caller passes all sizes in points through :func:`scaled`. The figure
    has a constrained layout, which keeps all text inside the picture, and an Agg canvas, which can
    measure text.
    """
    inches, high, text = look.size(width, height)
    settings: dict[str, object] = {
        **_STYLE,
        "font.size": _TEXT_POINTS * text,
        "axes.linewidth": 0.8 * text,
        "lines.linewidth": 1.5 * text,
    }
    with style.context(["default", settings]):
        figure = Figure(figsize=(inches, high), dpi=_SCREEN_DPI, layout="constrained")
        FigureCanvasAgg(figure)
        if look.has_words:
            lines = _write_words(figure, title, caption)
            figure.set_figheight(high + lines * scaled(_LINE_POINTS) / 72)
        yield Picture(figure, title, caption, look)


def _write_words(figure: Figure, title: str, caption: str) -> int:
    """Write title and caption into the figure; returns the number of their lines."""
    width = text_width(figure)
    heads = wrap(title, int(_TITLE_LETTERS_PER_INCH * width))
    notes = wrap(caption, int(_CAPTION_LETTERS_PER_INCH * width))
    figure.suptitle(
        "\n".join(heads),
        x=0.01,
        ha="left",
        fontsize=scaled(12),
        fontweight="bold",
    )
    figure.supxlabel(
        "\n".join(notes),
        x=0.01,
        ha="left",
        fontsize=scaled(7),
        color=_CAPTION_COLOUR,
    )
    return len(heads) + len(notes)


def scaled(points: float) -> float:
    """A size in points, reduced if the picture that is being drawn is narrow."""
    return points * float(rcParams["font.size"]) / _TEXT_POINTS


def legend_above(axes: Axes) -> None:
    """Add a legend above the axes, with as few lines as the figure's width allows."""
    handles, names = axes.get_legend_handles_labels()
    renderer = axes.figure.canvas.get_renderer()  # type: ignore[attr-defined]
    room = axes.figure.bbox.width - axes.figure.dpi / 72 * scaled(_LEGEND_MARGIN)
    for columns in range(len(names), 0, -1):
        legend = axes.legend(
            handles,
            names,
            loc="lower left",
            bbox_to_anchor=(-0.01, 1.0),
            ncols=columns,
            frameon=False,
            fontsize=scaled(9),
            borderpad=0,
            columnspacing=1.6,
            handletextpad=0.4,
        )
        if legend.get_window_extent(renderer).width <= room:
            break


def text_width(figure: Figure | SubFigure) -> float:
    """The figure's width in inches, divided by the factor for the size of its text.

    It shows how much text fits into a line.
    """
    return float(figure.bbox.width / figure.dpi) / scaled(1.0)
