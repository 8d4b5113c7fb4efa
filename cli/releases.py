"""``halfbyte releases``: show and plot areas and speeds of each release of halfbyte."""

import os
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from halfbyte.base import UserError, build_dir, versions_of
from halfbyte.base.tables import write_json
from halfbyte.cli.look import PictureOptions
from halfbyte.cli.options import FormatNames, Jobs, Json, load_formats
from halfbyte.cli.output import print_json, progress, say, table

if TYPE_CHECKING:
    from halfbyte.formats import Format
    from halfbyte.pareto.releases import ReleaseRecord

__all__ = ["releases"]

_BENCHED = ("int4", "e2m1_sp", "sf4")
_SHARED = "--no-speed was given, as on a shared machine"

Record = Annotated[
    bool,
    typer.Option("--record", help="First measure this release, and write release-VERSION.json."),
]
Speed = Annotated[
    bool,
    typer.Option(
        "--speed/--no-speed",
        help="Whether --record also measures speeds, which needs an idle machine.",
    ),
]
Folder = Annotated[Path, typer.Option("--folder", help="Folder with the release-*.json files.")]


def releases(
    names: FormatNames = None,
    *,
    record: Record = False,
    speed: Speed = True,
    folder: Folder = Path("docs/records"),
    pictures: PictureOptions,
    jobs: Jobs = None,
    json: Json = False,
) -> None:
    """Show areas of each release, and plot areas and speeds; --record measures this release.

    --record synthesizes the formats that are named, by default all.
    """
    from halfbyte import __version__
    from halfbyte.pareto.releases import read_releases, release_rows, write_releases

    look = pictures.look()
    if record:
        made = _measure(load_formats(names), __version__, speed, jobs)
        write_json(folder / f"release-{__version__}.json", made.as_json())
    paths = sorted(folder.glob("release-*.json"))
    if not paths:
        raise UserError(
            f"There is no release-*.json in {folder}: name another --folder, or make a record with "
            "`halfbyte releases --record`"
        )
    found = read_releases(paths)
    target = build_dir() / "releases"
    written = write_releases(found, target, look)
    if json:
        print_json(found)
        return
    columns, rows = release_rows(found)
    table(
        "MACs by release", columns, rows, f"{found[-1].technology}, no timing constraint, 256 terms"
    )
    say(f"wrote {', '.join(path.name for path in written)} in {target}")


def _measure(
    formats: "Sequence[Format]", version: str, speed: bool, jobs: int | None
) -> "ReleaseRecord":
    """Synthesize the formats. With ``speed``, time the golden model and the DFloat11 codec, too."""
    from halfbyte.area import load_technology, synthesize
    from halfbyte.pareto.releases import ReleaseRecord
    from halfbyte.rtl import MacSpec

    technology = load_technology()
    designs = [MacSpec(fmt, fmt, "auto", 256) for fmt in formats]
    machine = _machine()
    ratios, codec = _speeds() if speed else ({}, {})
    with progress(f"Area, {technology.name}") as update:
        areas = synthesize(designs, technology, jobs=jobs, on_progress=update)
    return ReleaseRecord(
        release=version,
        date=datetime.now(UTC).date().isoformat(),
        machine=machine,
        technology=technology.name,
        areas_um2={each.format: each.area_um2 for each in areas},
        delays_ps={each.format: each.delay_ps for each in areas},
        energies_fj={each.format: each.glitch_energy_fj for each in areas},
        gemm_ratios=ratios,
        codec_gb_per_second=codec,
        not_measured=None if speed else _SHARED,
        versions=versions_of("amaranth", "pyosys", "torch"),
    )


def _machine() -> str:
    """The processor, the number of its cores, and the load on them."""
    from halfbyte.gpu_ref.machine import processor

    return f"{processor()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}"


def _speeds() -> tuple[dict[str, float], dict[str, float]]:
    """Measure speeds of the golden model's GEMM, and of DFloat11, a lossless compression.

    Returns two dicts: for each format, the GEMM's time divided by that of torch.matmul; for each
    task of DFloat11, its GB/s. The GB/s count 2 bytes for each weight, as in BF16.
    """
    from halfbyte.golden.bench import benchmark_gemm
    from halfbyte.golden.dfloat11.bench import benchmark_codec

    ratios = {}
    with progress("Golden model") as update:
        for done, fmt in enumerate(load_formats(_BENCHED)):
            update(done, len(_BENCHED), fmt.name)
            ratios[fmt.name] = round(benchmark_gemm(fmt, fmt).ratio, 3)
    with progress("DFloat11") as update:
        timed = benchmark_codec(with_peers=False, on_progress=update)
    return ratios, {each.what: round(2e-9 * each.weights_per_second, 3) for each in timed}
