"""From ``--arch`` to specifications: ``auto`` is what synthesis chooses, ``all`` all that fit."""

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from halfbyte.cli.output import progress
from halfbyte.formats import Format

if TYPE_CHECKING:
    from halfbyte.area.cells.technology import Technology
    from halfbyte.rtl import MacSpec

__all__ = ["choose_architectures", "mac_specs", "resolve_architectures"]


def mac_specs(
    chosen: Sequence[Format], activation: Format | None, arch: str, terms: int
) -> "list[MacSpec]":
    """A specification of every format, or with ``all`` of every format and architecture."""
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
    """The same with a named architecture: for ``auto`` the one that ``halfbyte synth`` finds.

    At a clock also the carries that it saves. An enable port has no part in the choice.
    """
    from halfbyte.area import synthesize
    from halfbyte.area.search.delivery import synthesized_spec
    from halfbyte.rtl import AUTO

    open_ = [replace(spec, enable=False) for spec in specs if spec.architecture == AUTO]
    if not open_:
        return list(specs)
    with progress("Choosing architectures") as update:
        records = synthesize(
            open_, technology, clock_ps=clock_ps, prove=False, jobs=jobs, on_progress=update
        )
    found = iter(synthesized_spec(*pair) for pair in zip(open_, records, strict=True))
    return [
        replace(next(found), enable=spec.enable) if spec.architecture == AUTO else spec
        for spec in specs
    ]


def resolve_architectures(
    chosen: Sequence[Format],
    activation: Format | None,
    arch: str,
    terms: int,
    tech: str | None,
    jobs: int | None,
) -> "list[MacSpec]":
    """:func:`mac_specs` with named architectures, chosen with the card ``tech``."""
    from halfbyte.area.cells.technology import load_technology

    specs = mac_specs(chosen, activation, arch, terms)
    return choose_architectures(specs, load_technology(tech), jobs=jobs)
