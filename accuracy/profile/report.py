"""Profiles as files: pictures, CSV and JSON."""

import difflib
from collections.abc import Iterable, Sequence
from pathlib import Path

from matplotlib.figure import Figure

from halfbyte.accuracy.profile.plots import draw_histogram, draw_nu, draw_quantiles
from halfbyte.accuracy.profile.tensors import TensorProfile
from halfbyte.base import UserError, write_atomically
from halfbyte.base.figures import figure, plot_style, save_figure
from halfbyte.base.tables import csv_text, write_json

__all__ = ["check_layers", "write_profiles"]

_DPI = 130
_UNITS = {False: "{what}", True: "{what} / largest in its block"}


def write_profiles(
    profiles: Sequence[TensorProfile], folder: Path, *, layers: Sequence[str] = ()
) -> list[Path]:
    """Write ``profile.json``, ``profile.csv`` and pictures (PNG and SVG); returns the files.

    ``nu`` shows nu by layer; ``weights`` and ``activations`` show a histogram and a Q-Q plot of
    ``layers``, as they are and by block. Without ``layers``, they show those with the least, the
    median and the greatest nu.

    Raises UserError if a layer of that name was not profiled, OSError as usual.
    """
    check_layers([each.record.layer for each in profiles], layers)
    records = [each.record for each in profiles]
    rows = [
        {key: value for key, value in record.as_json().items() if key != "versions"}
        for record in records
    ]
    table = folder / "profile.csv"
    write_atomically(table, csv_text(rows))
    listed = [record.as_json() for record in records]
    files = [write_json(folder / "profile.json", listed), table]
    with plot_style():
        figures = {"nu": _nu_figure(profiles)}
        for what in ("weight", "activation"):
            if chosen := _chosen(profiles, what, layers):
                figures[f"{what}s"] = _fits_figure(profiles, what, chosen)
        for name, drawn in figures.items():
            files += save_figure(drawn, folder / name)
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
        (each.record.nu or 0.0, each.record.layer)
        for each in profiles
        if each.record.what == what and not each.record.normalised and each.fits
    )
    names = [layer for _, layer in found]
    if layers:
        return [layer for layer in layers if layer in names]
    return list(dict.fromkeys(names[index] for index in (0, len(names) // 2, -1))) if names else []


def _fits_figure(profiles: Sequence[TensorProfile], what: str, layers: Sequence[str]) -> Figure:
    """A row for each layer: histogram and Q-Q plot of the values as they are, then by block."""
    drawn = figure(17, 3.7 * len(layers) + 0.5, _DPI, layout="constrained")
    grid = drawn.subplots(len(layers), 4, squeeze=False)
    shown = {
        (each.record.layer, each.record.normalised): each
        for each in profiles
        if each.record.what == what
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
    drawn.suptitle(_caption(profiles), fontsize=9, color="#555555")
    return drawn


def _nu_figure(profiles: Sequence[TensorProfile]) -> Figure:
    records = [each.record for each in profiles]
    layers = len({record.layer for record in records})
    height = min(200.0, 1.6 + 0.17 * layers)
    drawn = figure(9, height, _DPI, layout="constrained")
    draw_nu(drawn.subplots(), records)
    drawn.supxlabel(_caption(profiles), fontsize=8, color="#555555")
    return drawn


def _caption(profiles: Sequence[TensorProfile]) -> str:
    record = profiles[0].record
    versions = record.versions or {}
    return (
        f"{record.model}, blocks of {record.block}; maximum likelihood; "
        f"torch {versions.get('torch')}, scipy {versions.get('scipy')}"
    )
