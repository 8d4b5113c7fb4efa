"""Compare areas and speeds between releases of halfbyte, from a record of each release."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.ticker import FixedLocator, MaxNLocator, NullLocator, StrMethodFormatter

from halfbyte.base import Record, UserError, parse_json
from halfbyte.base.figures import legend_above, picture, scaled
from halfbyte.base.look import OWN_LOOK, Look
from halfbyte.base.user_files import read_start

__all__ = ["ReleaseRecord", "read_releases", "release_rows", "write_releases"]

_MAX_BYTES = 2**20  # of a file with a record
_SIZE_INCHES = (9.0, 4.6)
# Okabe and Ito's colours, which colour-blind readers can tell apart; reused with other markers.
_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
_MARKERS = ("o", "s", "^", "D")


@dataclass(frozen=True, kw_only=True)
class ReleaseRecord(Record):
    """Areas and speeds of one release of halfbyte, measured on one machine."""

    release: str
    """Version of halfbyte."""
    date: str
    """Day of the measurement: YYYY-MM-DD."""
    machine: str
    """Processor, cores, threads and the load at the beginning; speeds are those of this machine."""
    technology: str
    """The technology of the areas."""
    areas_um2: Mapping[str, float]
    """Area of each format's MAC, in um^2: lossless for 256 products, without a clock to meet."""
    delays_ps: Mapping[str, float | None]
    """Shortest clock period of the MAC by format, in ps."""
    energies_fj: Mapping[str, float | None]
    """Energy of the MAC per multiplication and addition by format, with glitches, in fJ."""
    gemm_ratios: Mapping[str, float]
    """Time of the PyTorch model's block-scaled product over that of torch.matmul, by format."""
    codec_gb_per_second: Mapping[str, float]
    """Speed of the DFloat11 codec by direction and layout, in 10^9 bytes of BF16 per second."""
    not_measured: str | None
    """Why no speeds were measured; null if they were."""
    versions: Mapping[str, str | None]
    """Versions of the tools."""


def read_releases(paths: Sequence[Path]) -> list[ReleaseRecord]:
    """Read the record of a release from each file; returns the oldest release first.

    Raises UserError if a file is not a record, if two records are of the same release, or if
    ``paths`` is empty.
    """
    records = []
    for path in paths:
        try:
            records.append(ReleaseRecord.from_json(parse_json(read_start(path, _MAX_BYTES))))
        except (OSError, ValueError, UserError) as error:
            raise UserError(f"{path} is not a record of a release: {error}") from None
    if not records:
        raise UserError(
            "There is no record of a release: make one with `halfbyte releases --record`"
        )
    names = [record.release for record in records]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise UserError(f"There are two records of release {twice[0]}: name only one of them")
    return sorted(records, key=lambda record: _order(record.release))


def _order(release: str) -> tuple[tuple[bool, int, str], ...]:
    """A key that sorts versions in their order, 0.10 after 0.9."""
    parts = release.split(".")
    return tuple((not part.isdecimal(), int(part) if part.isdecimal() else 0, part)
                 for part in parts)  # fmt: skip


def release_rows(records: Sequence[ReleaseRecord]) -> tuple[list[str], list[list[str]]]:
    """Columns and rows of a table: each format's area in each release, and its last change."""
    columns = ["format", *(f">{record.release} µm²" for record in records)]
    columns += [">last change"] if len(records) > 1 else []
    rows = []
    for name in _formats(records):
        areas = [record.areas_um2.get(name) for record in records]
        row = [name, *("-" if area is None else f"{area:,.1f}" for area in areas)]
        if len(records) > 1:
            before, now = areas[-2:]
            row.append(f"{100 * (now / before - 1):+.1f} %" if before and now else "-")
        rows.append(row)
    return columns, rows


def _formats(records: Sequence[ReleaseRecord]) -> list[str]:
    return list(dict.fromkeys(name for record in records for name in record.areas_um2))


def write_releases(
    records: Sequence[ReleaseRecord], folder: Path, look: Look = OWN_LOOK
) -> list[Path]:
    """Write the plots ``release_areas`` and, if there are speeds, ``release_speeds``.

    Returns the files.
    """
    areas = {name: [record.areas_um2.get(name) for record in records] for name in _formats(records)}
    first, last = records[0], records[-1]
    caption = (
        f"{last.technology}, both operands in the format, accumulators lossless for 256 products, "
        f"no clock to meet; releases {first.release} to {last.release}"
    )
    title = "Area of MACs by release"
    written = _draw(records, areas, "MAC area, µm² (less is better)", title, caption, folder, look)
    kinds = dict.fromkeys(kind for record in records for kind in record.codec_gb_per_second)
    speeds = {kind: [record.codec_gb_per_second.get(kind) for record in records] for kind in kinds}
    if speeds:
        machines = "; ".join(f"{record.release}: {record.machine}" for record in records)
        title = "DFloat11's codec by release"
        label = "GB of BF16 a second (more is better)"
        written += _draw(records, speeds, label, title, machines, folder, look, "release_speeds")
    return written


def _draw(
    records: Sequence[ReleaseRecord],
    lines: Mapping[str, Sequence[float | None]],
    label: str,
    title: str,
    caption: str,
    folder: Path,
    look: Look,
    name: str = "release_areas",
) -> list[Path]:
    with picture(*_SIZE_INCHES, title=title, caption=caption, look=look) as drawn:
        axes = drawn.figure.add_subplot()
        _draw_lines(axes, lines)
        axes.xaxis.set_major_locator(FixedLocator(range(len(records))))
        axes.xaxis.set_minor_locator(NullLocator())
        axes.set_xticks(range(len(records)), [record.release for record in records])
        axes.set_yscale("log")
        axes.yaxis.set_major_locator(MaxNLocator(8))
        axes.yaxis.set_minor_locator(NullLocator())
        axes.yaxis.set_major_formatter(StrMethodFormatter("{x:,g}"))
        axes.set_xlim(-0.5, len(records) - 0.5)
        axes.set_xlabel("release")
        axes.set_ylabel(label)
        axes.grid(visible=True, axis="y", color="#e6e6e6", linewidth=scaled(0.6))
        axes.spines[["top", "right"]].set_visible(False)
        legend_above(axes)
        return drawn.save(folder / name)


def _draw_lines(axes: Axes, lines: Mapping[str, Sequence[float | None]]) -> None:
    for place, (name, values) in enumerate(lines.items()):
        known = [(at, value) for at, value in enumerate(values) if value is not None]
        axes.plot(
            [at for at, _ in known],
            [value for _, value in known],
            color=_COLOURS[place % len(_COLOURS)],
            marker=_MARKERS[place // len(_COLOURS) % len(_MARKERS)],
            markersize=scaled(5),
            linewidth=scaled(1.4),
            label=name,
        )
