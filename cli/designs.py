"""From ``--arch`` to the designs that simulation and export work on."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from halfbyte.cli.output import progress
from halfbyte.formats import Format

if TYPE_CHECKING:
    from halfbyte.rtl import MacSpec

__all__ = ["resolve_architectures"]


def resolve_architectures(
    chosen: Sequence[Format],
    activation: Format | None,
    arch: str,
    terms: int,
    tech: str | None,
    jobs: int | None,
) -> "list[MacSpec]":
    """Designs with a named architecture: ``auto`` asks synthesis, ``all`` takes all that fit."""
    from halfbyte.area import synthesize
    from halfbyte.area.cells.technology import load_technology
    from halfbyte.rtl import MacSpec, applicable_architectures, check_architecture

    pairs = [(fmt, activation or fmt) for fmt in chosen]
    if arch == "all":
        return [
            MacSpec(weight, other, name, terms)
            for weight, other in pairs
            for name in applicable_architectures(weight, other)
        ]
    if arch != "auto":
        for weight, other in pairs:
            check_architecture(arch, weight, other)
        return [MacSpec(weight, other, arch, terms) for weight, other in pairs]
    designs = [MacSpec(weight, other, "auto", terms) for weight, other in pairs]
    with progress("Choosing architectures") as update:
        records = synthesize(
            designs, load_technology(tech), prove=False, jobs=jobs, on_progress=update
        )
    return [
        MacSpec(weight, other, record.architecture, terms)
        for (weight, other), record in zip(pairs, records, strict=True)
    ]
