"""Profiles as files: pictures, CSV and JSON."""

import csv
import difflib
import io
import json
from collections.abc import Iterable, Sequence
from pathlib import Path

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from halfbyte.accuracy.profile.plots import draw_histogram, draw_nu, draw_quantiles
from halfbyte.accuracy.profile.tensors import TensorProfile
from halfbyte.base import UserError, write_atomically

__all__ = ["check_layers", "write_profiles"]

_DPI = 130
_UNITS = {False: "{what}", True: "{what} / largest in its block"}


def write_profiles(
    profiles: Sequence[TensorProfile], folder: Path, *, layers: Sequence[str] = ()
) -> list[Path]:
    """Write ``profile.json``, ``profile.csv`` and pictures (PNG and SVG); returns the files.

    ``nu`` shows nu by layer; ``weights`` and ``activations`` show a histogram and a Q-Q plot, as
    they are and by block, of ``layers``: of those with the least, the median and the greatest nu
    if none are named.

    Raises UserError if a layer of that name was not profiled, OSError as usual.
    """
    check_layers([each.record["layer"] for each in profiles], layers)
    records = [each.record for each in profiles]
    files = [folder / "profile.json", folder / "profile.csv"]
    write_atomically(files[0], json.dumps(records, indent=2) + "\n")
    write_atomically(files[1], _as_csv(profiles))
    figures = {"nu": _nu_figure(profiles)}
    for what in ("weight", "activation"):
        if chosen := _chosen(profiles, what, layers):
            figures[f"{what}s"] = _fits_figure(profiles, what, chosen)
    for name, figure in figures.items():
        for kind in ("png", "svg"):
            files.append(folder / f"{name}.{kind}")
            write_atomically(files[-1], _rendered(figure, kind))
    return files


def check_layers(known: Iterable[str], layers: Sequence[str]) -> None:
    """Raise UserError if one of ``layers`` is not among the ``known`` ones."""
    names = dict.fromkeys(known)
    for layer in layers:
        if layer not in names:
            nearest = difflib.get_close_matches(layer[:200], names, n=3, cutoff=0.0)
            raise UserError(f"There is no layer {layer[:200]!r}; nearest: {', '.join(nearest)}")


def _chosen(profiles: Sequence[TensorProfile], what: str, layers: Sequence[str]) -> list[str]:
    """Layers to draw; with fits, of values as they are."""
    found = sorted(
        (each.record["nu"], each.record["layer"])
        for each in profiles
        if each.record["what"] == what and not each.record["normalised"] and each.fits
    )
    names = [layer for _, layer in found]
    if layers:
        return [layer for layer in layers if layer in names]
    return list(dict.fromkeys(names[index] for index in (0, len(names) // 2, -1))) if names else []


def _fits_figure(profiles: Sequence[TensorProfile], what: str, layers: Sequence[str]) -> Figure:
    """A row for each layer: histogram and Q-Q plot of the values as they are, then by block."""
    figure = Figure(figsize=(17, 3.7 * len(layers) + 0.5), dpi=_DPI, layout="constrained")
    grid = figure.subplots(len(layers), 4, squeeze=False)
    shown = {
        (each.record["layer"], each.record["normalised"]): each
        for each in profiles
        if each.record["what"] == what
    }
    for row, layer in zip(grid, layers, strict=True):
        for normalized in (False, True):
            profile = shown[layer, normalized]
            left, right = row[2 * normalized : 2 * normalized + 2]
            if profile.fits is None:
                left.set_axis_off()
                right.set_axis_off()
                continue
            unit = _UNITS[normalized].format(what=what)
            draw_histogram(left, profile.fits, unit=unit)
            draw_quantiles(right, profile.fits, unit=unit)
        row[0].set_title(layer, fontsize=9, loc="left")
    figure.suptitle(_caption(profiles), fontsize=9, color="#555555")
    return figure


def _nu_figure(profiles: Sequence[TensorProfile]) -> Figure:
    records = [each.record for each in profiles]
    layers = len({record["layer"] for record in records})
    height = min(200.0, 1.6 + 0.17 * layers)
    figure = Figure(figsize=(9, height), dpi=_DPI, layout="constrained")
    draw_nu(figure.subplots(), records)
    figure.supxlabel(_caption(profiles), fontsize=8, color="#555555")
    return figure


def _caption(profiles: Sequence[TensorProfile]) -> str:
    record = profiles[0].record
    versions = record["versions"]
    return (
        f"{record['model']}, blocks of {record['block']}; maximum likelihood; "
        f"torch {versions['torch']}, scipy {versions['scipy']}"
    )


def _rendered(figure: Figure, kind: str) -> bytes:
    FigureCanvasAgg(figure)
    buffer = io.BytesIO()
    figure.savefig(buffer, format=kind, metadata={"Date": None} if kind == "svg" else {})
    return buffer.getvalue()


def _as_csv(profiles: Sequence[TensorProfile]) -> str:
    rows = [
        {key: value for key, value in each.record.items() if key != "versions"} for each in profiles
    ]
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()
