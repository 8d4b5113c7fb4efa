"""Specifications for ``--arch``: ``auto`` asks synthesis, ``all`` gives every one that fits."""

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import typer

from halfbyte.cli.output import progress
from halfbyte.formats import Format

if TYPE_CHECKING:
    from halfbyte.area.cells.technology import Technology
    from halfbyte.rtl import MacSpec

__all__ = ["choose_architectures", "mac_specs", "resolve_architectures"]


def mac_specs(
    chosen: Sequence[Format], activation: Format | None, arch: str, terms: int
) -> "list[MacSpec]":
    """A specification of each format; with ``all``, of each format in each architecture."""
    from halfbyte.rtl import AUTO, MacSpec

    specs = [
        MacSpec(fmt, activation or fmt, AUTO if arch == "all" else arch, terms) for fmt in chosen
    ]
    return [each for spec in specs for each in spec.candidates()] if arch == "all" else specs


def choose_architectures(
    specs: "Sequence[MacSpec]",
    technology: "Technology",
    *,
    clock_ps: float | None = None,
    jobs: int | None = None,
) -> "list[MacSpec]":
    """The specifications with ``auto`` replaced by the architecture that ``halfbyte synth`` finds.

    At a clock, synthesis may also choose a carry-save accumulator. An enable port does not change
    the choice. Units that miss the clock are named on standard error.
    """
    from halfbyte.area import synthesize
    from halfbyte.area.search.delivery import synthesized_spec
    from halfbyte.rtl import AUTO

    open_ = [spec for spec in specs if clock_ps is not None or spec.architecture == AUTO]
    designs = [replace(spec, enable=False) for spec in open_]
    if not designs:
        return list(specs)
    with progress("Choosing architectures") as update:
        records = synthesize(
            designs, technology, clock_ps=clock_ps, prove=False, jobs=jobs, on_progress=update
        )
    found = {}
    for spec, design, record in zip(open_, designs, records, strict=True):
        found[spec] = replace(synthesized_spec(design, record), enable=spec.enable)
        if clock_ps is not None and (record.wns_ps or 0) < 0:
            typer.echo(f"clock not met: {spec.title}; this is the fastest", err=True)
    return [found.get(spec, spec) for spec in specs]


def resolve_architectures(
    chosen: Sequence[Format],
    activation: Format | None,
    arch: str,
    terms: int,
    tech: str | None,
    jobs: int | None,
) -> "list[MacSpec]":
    """As :func:`mac_specs`, with ``auto`` replaced by the best one on the card ``tech``."""
    from halfbyte.area.cells.technology import load_technology

    specs = mac_specs(chosen, activation, arch, terms)
    return choose_architectures(specs, load_technology(tech), jobs=jobs)
