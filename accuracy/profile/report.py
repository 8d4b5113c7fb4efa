"""Write profiles as files: pictures, CSV and JSON."""

import difflib
from collections.abc import Iterable, Sequence
from pathlib import Path

from halfbyte.accuracy.profile.plots import draw_histogram, draw_nu, draw_quantiles
from halfbyte.accuracy.profile.tensors import TensorProfile
from halfbyte.base import UserError, write_atomically
from halfbyte.base.figures import picture, scaled
from halfbyte.base.look import OWN_LOOK, Look
from halfbyte.base.tables import csv_text, write_json

__all__ = ["check_layers", "write_profiles"]

_UNITS = {False: "{what}", True: "{what} / largest in its block"}


def write_profiles(
    profiles: Sequence[TensorProfile],
    folder: Path,
    *,
    layers: Sequence[str] = (),
    look: Look = OWN_LOOK,
) -> list[Path]:
    """Write ``profile.json``, ``profile.csv`` and pictures; return the paths.

    The picture ``nu`` shows nu, the degrees of freedom of Student's t, for each layer. The pictures
    ``weights``, ``weights_by_block``, ``activations`` and ``activations_by_block`` have a histogram
    and a Q-Q plot for each of ``layers`` that has a fit. Without ``layers``, they show the layers
    with the least, the median and the greatest nu.

    Raises UserError if one of ``layers`` was not profiled, OSError if a file cannot be written.
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
    files += _draw_nus(profiles, folder / "nu", look)
    for what in ("weight", "activation"):
        if chosen := _chosen(profiles, what, layers):
            for normalized, suffix in ((False, ""), (True, "_by_block")):
                path = folder / f"{what}s{suffix}"
                files += _draw_fits(profiles, what, normalized, chosen, path, look)
    return files


def check_layers(known: Iterable[str], layers: Sequence[str]) -> None:
    """Raise UserError if one of ``layers`` is not among the ``known`` layers."""
    names = dict.fromkeys(known)
    for layer in layers:
        if layer not in names:
            nearest = difflib.get_close_matches(layer[:200], names, n=3, cutoff=0.0)
            raise UserError(
                f"There is no layer {layer[:200]!r}; the nearest names: {', '.join(nearest)}"
            )


def _chosen(profiles: Sequence[TensorProfile], what: str, layers: Sequence[str]) -> list[str]:
    """The layers to draw: those of ``layers`` that have a fit.

    By default, these are the layers with the least, the median and the greatest nu.
    """
    found = sorted(
        (each.record.nu or 0.0, each.record.layer)
        for each in profiles
        if each.record.what == what and not each.record.normalised and each.fits
    )
    names = [layer for _, layer in found]
    if layers:
        return [layer for layer in layers if layer in names]
    return list(dict.fromkeys(names[index] for index in (0, len(names) // 2, -1))) if names else []


def _draw_fits(
    profiles: Sequence[TensorProfile],
    what: str,
    normalized: bool,
    layers: Sequence[str],
    path: Path,
    look: Look,
) -> list[Path]:
    """Draw a row for each layer with a fit: a histogram and a Q-Q plot. Returns the files."""
    shown = {
        each.record.layer: each.fits
        for each in profiles
        if each.record.what == what and each.record.normalised == normalized and each.fits
    }
    rows = [layer for layer in layers if layer in shown]
    if not rows:
        return []
    scaled_by = ", divided by the largest magnitude in their block" if normalized else ""
    title = f"Distribution of {what}s{scaled_by}, {_model(profiles)}"
    size = 9.0, 3.3 * len(rows) + 0.4
    with picture(*size, title=title, caption=_caption(profiles), look=look) as drawn:
        grid = drawn.figure.subplots(len(rows), 2, squeeze=False)
        unit = _UNITS[normalized].format(what=what)
        for (left, right), layer in zip(grid, rows, strict=True):
            draw_histogram(left, shown[layer], unit=unit)
            draw_quantiles(right, shown[layer], unit=unit)
            left.set_title(layer, fontsize=scaled(9), loc="left")
        return drawn.save(path)


def _draw_nus(profiles: Sequence[TensorProfile], path: Path, look: Look) -> list[Path]:
    records = [each.record for each in profiles]
    layers = len({record.layer for record in records})
    size = 9.0, min(200.0, 1.3 + 0.17 * layers)
    title = f"Degrees of freedom of Student's t by layer, {_model(profiles)}"
    with picture(*size, title=title, caption=_caption(profiles), look=look) as drawn:
        draw_nu(drawn.figure.subplots(), records)
        return drawn.save(path)


def _model(profiles: Sequence[TensorProfile]) -> str:
    return str(profiles[0].record.model)


def _caption(profiles: Sequence[TensorProfile]) -> str:
    record = profiles[0].record
    versions = record.versions or {}
    return (
        f"{record.model}, blocks of {record.block} values, maximum-likelihood fits; "
        f"torch {versions.get('torch')}, scipy {versions.get('scipy')}"
    )
