"""Draw profiles of tensors. Each function draws fits, or records of tensors, on an ``Axes``."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes

from halfbyte.accuracy.profile.fits import Fit, Fits
from halfbyte.accuracy.profile.tensors import TensorRecord
from halfbyte.base.figures import scaled

__all__ = ["draw_histogram", "draw_nu", "draw_quantiles"]

# Okabe and Ito's colours, which colour-blind readers can tell apart.
_COLOURS = {"student_t": "#D55E00", "normal": "#0072B2", "laplace": "#009E73"}
_TITLES = {"student_t": "Student's t", "normal": "normal", "laplace": "Laplace"}
_KINDS = {  # (what, normalized): colour, marker
    ("weight", False): ("#000000", "o"),
    ("weight", True): ("#0072B2", "s"),
    ("activation", False): ("#D55E00", "^"),
    ("activation", True): ("#E69F00", "D"),
}
_BINS = 120
# A histogram reaches at most this many scales of the fitted t to either side of its centre.
_SHOWN = 8.0
_NU_TICKS = (0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000)


def draw_histogram(axes: Axes, fits: Fits, *, unit: str) -> None:
    """Draw the density of the values on a logarithmic axis, with the three fits.

    Parameters
    ----------
    axes : Axes
        Where to draw. The values are on the horizontal axis, up to eight scales of the fitted t to
        either side of its centre.
    fits : Fits
        The fits of the values.
    unit : str
        The label of the horizontal axis, such as ``weight``, or ``weight / largest in its block``.
    """
    t = fits.student_t
    low = max(t.loc - _SHOWN * t.scale, float(fits.quantiles[0]))
    high = min(t.loc + _SHOWN * t.scale, float(fits.quantiles[-1]))
    counts, edges = np.histogram(fits.quantiles, bins=_BINS, range=(low, high))
    density = counts / len(fits.quantiles) / np.diff(edges)
    axes.stairs(density, edges, fill=True, color="#cccccc", label="values")
    x = np.linspace(low, high, 400)
    for fit in (fits.laplace, fits.normal, fits.student_t):
        axes.plot(
            x,
            fit.frozen.pdf(x),
            color=_COLOURS[fit.distribution],
            label=_label(fit),
            linewidth=scaled(1.4),
        )
    axes.set_yscale("log")
    peak = max(float(density.max()), float(t.frozen.pdf(t.loc)))
    # The factor 0.5 keeps the lowest bar visible, which may hold a single quantile. The factor 100
    # leaves room for the legend above the peak.
    axes.set_ylim(0.5 * float(density[density > 0].min()), 100 * peak)
    axes.set_xlabel(unit)
    axes.set_ylabel("density")
    axes.legend(frameon=False, fontsize=scaled(8), loc="upper center", ncols=2)
    _tidy(axes)


def draw_quantiles(axes: Axes, fits: Fits, *, unit: str) -> None:
    """Draw quantiles of the values against those of the fitted t and normal distributions.

    The closer the points are to the diagonal, the better the fit.

    Parameters
    ----------
    axes : Axes
        Where to draw. Both axes show the distance from the mean, in standard deviations of the
        values.
    fits : Fits
        The fits of the values.
    unit : str
        What the values are, for the label of the vertical axis.
    """
    count = len(fits.quantiles)
    # Most points are in the tails, where values are rare and matter most.
    from_end = np.unique(np.geomspace(1, count // 2, 150).astype(int)) - 1
    chosen = np.concatenate([from_end, count - 1 - from_end[::-1]])
    probabilities = (chosen + 0.5) / count
    loc, scale = fits.normal.loc, fits.normal.scale
    observed = (fits.quantiles[chosen] - loc) / scale
    reach = 1.05 * float(np.abs(observed).max())
    axes.plot([-reach, reach], [-reach, reach], color="#555555", linewidth=scaled(0.8), zorder=1)
    for fit in (fits.normal, fits.student_t):
        expected = (fit.frozen.ppf(probabilities) - loc) / scale
        axes.scatter(
            expected,
            observed,
            s=scaled(3) ** 2,
            color=_COLOURS[fit.distribution],
            edgecolors="none",
            label=f"{_TITLES[fit.distribution]}: KS {fit.ks:.4f}",
            zorder=2,
        )
    axes.set_xlim(-1.3 * reach, 1.3 * reach)
    axes.set_ylim(-reach, reach)
    axes.set_xlabel("quantile of the fit, standard deviations")
    axes.set_ylabel(f"quantile of {unit}")
    axes.legend(frameon=False, fontsize=scaled(8), loc="upper left")
    _tidy(axes)


def draw_nu(axes: Axes, records: Sequence[TensorRecord]) -> None:
    """Draw nu, the degrees of freedom of Student's t, for each layer on a logarithmic axis.

    Layers without a fit have no point.

    Parameters
    ----------
    axes : Axes
        Where to draw. Layers go downwards in the order of the records; nu goes to the right.
    records : sequence of TensorRecord
        Records of :func:`halfbyte.accuracy.profile.profile_model`.
    """
    layers = list(dict.fromkeys(str(record.layer) for record in records))
    for (what, normalized), (colour, marker) in _KINDS.items():
        shown = [
            record
            for record in records
            if (record.what, record.normalised) == (what, normalized) and record.nu is not None
        ]
        if shown:
            axes.scatter(
                [record.nu or 0.0 for record in shown],
                [layers.index(str(record.layer)) for record in shown],
                s=scaled(5.1) ** 2,
                color=colour,
                marker=marker,
                alpha=0.8,
                edgecolors="none",
                label=f"{what}s / largest in their block" if normalized else f"{what}s",
            )
    axes.set_xscale("log")
    axes.set_xticks(_NU_TICKS, [f"{tick:g}" for tick in _NU_TICKS])
    axes.minorticks_off()
    axes.set_yticks(range(len(layers)), [_shortened(layer) for layer in layers], fontsize=scaled(7))
    axes.set_ylim(len(layers) - 0.4, -0.6)
    axes.set_xlabel("degrees of freedom nu of Student's t (1000: normal or lighter tails)")
    axes.grid(visible=True, axis="y", color="#eeeeee", linewidth=scaled(0.6))
    if axes.collections:  # no legend if no layer has a fit
        axes.legend(
            loc="lower left",
            bbox_to_anchor=(0.0, 1.0),
            ncols=2,
            frameon=False,
            fontsize=scaled(8),
            borderpad=0,
        )
    _tidy(axes)


def _label(fit: Fit) -> str:
    nu = f", nu {fit.nu:.4g}" if fit.nu is not None else ""
    return f"{_TITLES[fit.distribution]}{nu}"


def _shortened(name: str, length: int = 44) -> str:
    return name if len(name) <= length else "…" + name[-length + 1 :]


def _tidy(axes: Axes) -> None:
    axes.grid(visible=True, axis="x", color="#e6e6e6", linewidth=scaled(0.6))
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
