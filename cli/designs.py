"""Options and specifications of MACs.

``--arch auto`` means the multiplier architecture that gives the smallest MAC in synthesis.
``--arch all`` means every architecture that can multiply the formats.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import typer

from halfbyte.cli.options import (
    AccWidth,
    Activation,
    Architecture,
    OverflowRule,
    Terms,
    load_optional,
    overflow_rule,
)
from halfbyte.cli.output import progress
from halfbyte.formats import Format, Overflow

if TYPE_CHECKING:
    from halfbyte.area.cells.technology import Technology
    from halfbyte.rtl import MacSpec

__all__ = ["DesignOptions", "choose_architectures", "mac_specs", "resolve_architectures"]


@dataclass(frozen=True)
class DesignOptions:
    """Options of MACs and dot-product units: operands, architecture, accumulator."""

    arch: Architecture = "auto"
    activation: Activation = None
    terms: Terms = 256
    acc_width: AccWidth = None
    overflow: OverflowRule = "wrap"

    @property
    def rule(self) -> Overflow:
        """What an accumulator does if a sum does not fit. Raises UserError for an unknown name."""
        return overflow_rule(self.overflow)

    @property
    def other(self) -> Format | None:
        """The format of the activations; None if it is the format of the weights."""
        return load_optional(self.activation)

    def macs(self, formats: Sequence[Format]) -> "list[MacSpec]":
        """The MAC of every format; raises UserError if one cannot exist."""
        from halfbyte.rtl import MacSpec

        other, rule = self.other, self.rule
        return [
            MacSpec(fmt, other or fmt, self.arch, self.terms, self.acc_width, rule)
            for fmt in formats
        ]


def mac_specs(formats: Sequence[Format], design: DesignOptions) -> "list[MacSpec]":
    """The MAC of each format; with ``--arch all``, in each architecture."""
    if design.arch != "all":
        return design.macs(formats)
    specs = replace(design, arch="auto").macs(formats)
    return [each for spec in specs for each in spec.candidates()]


def choose_architectures(
    specs: "Sequence[MacSpec]",
    technology: "Technology",
    *,
    clock_ps: float | None = None,
    jobs: int | None = None,
) -> "list[MacSpec]":
    """The specifications with ``auto`` replaced by the architecture that ``halfbyte synth`` finds.

    At a clock, synthesis may also choose a carry-save accumulator. An enable port does not change
    the choice. MACs that miss the clock are named on standard error.
    """
    from halfbyte.area import synthesize
    from halfbyte.area.search.delivery import synthesized_spec
    from halfbyte.rtl import AUTO

    undecided = [spec for spec in specs if clock_ps is not None or spec.architecture == AUTO]
    designs = [replace(spec, enable=False) for spec in undecided]
    if not designs:
        return list(specs)
    with progress("Choosing architectures") as update:
        records = synthesize(
            designs, technology, clock_ps=clock_ps, prove=False, jobs=jobs, on_progress=update
        )
    found = {}
    for spec, design, record in zip(undecided, designs, records, strict=True):
        found[spec] = replace(synthesized_spec(design, record), enable=spec.enable)
        if clock_ps is not None and (record.wns_ps or 0) < 0:
            typer.echo(
                f"clock not met: {spec.title} misses {clock_ps:,g} ps; no faster MAC was found",
                err=True,
            )
    return [found.get(spec, spec) for spec in specs]


def resolve_architectures(
    formats: Sequence[Format], design: DesignOptions, tech: str | None, jobs: int | None = None
) -> "list[MacSpec]":
    """The MACs of :func:`mac_specs`, with ``auto`` replaced by the smallest one's architecture.

    ``tech`` names the card (a small cell library) on which they are compared; None is the default
    card.
    """
    from halfbyte.area.cells.technology import load_technology

    specs = mac_specs(formats, design)
    return choose_architectures(specs, load_technology(tech), jobs=jobs)
