"""Figures as files: the same picture as PNG and SVG, whatever the user's own settings are."""

import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from matplotlib import style
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from halfbyte.base.files import write_atomically

__all__ = ["figure", "plot_style", "save_figure"]

# The user's own settings of matplotlib must not change the plots; with a salt of its own the same
# figure gives the same SVG.
_STYLE: list[str | Path | dict[str, object]] = ["default", {"svg.hashsalt": "halfbyte"}]


@contextmanager
def plot_style() -> Iterator[None]:
    """Within this context, drawing and saving use matplotlib's defaults."""
    with style.context(_STYLE):
        yield


def figure(width: float, height: float, dpi: int = 160, **options: Any) -> Figure:
    """An empty figure of so many inches, drawn by Agg, which can measure text."""
    made = Figure(figsize=(width, height), dpi=dpi, **options)
    FigureCanvasAgg(made)
    return made


def save_figure(drawn: Figure, path: Path) -> list[Path]:
    """Write the figure as ``path`` with ``.png`` and ``.svg`` behind it; returns both files."""
    written = []
    for kind, metadata in (("png", {}), ("svg", {"Date": None})):
        buffer = io.BytesIO()
        drawn.savefig(buffer, format=kind, metadata=metadata)
        written.append(path.with_name(f"{path.name}.{kind}"))
        write_atomically(written[-1], buffer.getvalue())
    return written
