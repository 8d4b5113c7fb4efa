"""Say how much smaller a MAC becomes if the values of its format are rounded to fewer bits."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from halfbyte.cli.output import progress
from halfbyte.formats import Format, FormatError, load, lossless_acc_width
from halfbyte.formats.rounding import largest_change, rounded

if TYPE_CHECKING:
    from halfbyte.area.cells.technology import Technology
    from halfbyte.rtl import MacSpec

__all__ = ["rounded_areas", "rounding_lines"]

_WIDE = 10  # bits of a value; rounding is only mentioned for wider ones
_BITS = (6, 8)


def _tables(name: str) -> dict[int, Format]:
    """The format rounded to several widths of values, by width in bits.

    Empty if the format's integers have few bits, or if ``name`` is NAME@BITS: a rounded format.
    """
    fmt = load(name)
    if fmt.integer_width <= _WIDE or "@" in name:
        return {}
    tables = {}
    for bits in _BITS:
        try:
            tables[bits] = rounded(fmt, bits)
        except FormatError:  # two values would become one
            continue
    return tables


def _activation(design: "MacSpec", table: Format) -> Format:
    """The activations' format if the weights are rounded to ``table``.

    Activations are rounded, too, if they have the same format as the weights.
    """
    return table if design.activation == design.weight else design.activation


def rounded_areas(
    names: Sequence[str],
    designs: "Sequence[MacSpec]",
    technology: "Technology",
    *,
    clock_ps: float | None,
    jobs: int | None,
) -> dict[str, float]:
    """Areas in um^2 of the MACs with rounded values, by format; the netlists are not proved.

    The areas equal those of ``halfbyte synth NAME@BITS``. There are none if ``--acc-width`` is
    given: rounding changes the quantum (the largest number that divides every value), and with it
    the range of an accumulator of this width. If the architecture does not fit, or Yosys fails, the
    area is missing.
    """
    from halfbyte.area import synthesize
    from halfbyte.base import ToolError, UserError

    by_format = {design.weight: design for design in designs if design.acc_width is None}
    areas: dict[str, float] = {}
    for name in names:
        design = by_format.get(load(name))
        for table in _tables(name).values() if design else ():
            assert design is not None  # noqa: S101
            try:
                spec = replace(design, weight=table, activation=_activation(design, table))
                with progress(f"{table.title}, {technology.name}") as update:
                    (record,) = synthesize(
                        [spec],
                        technology,
                        clock_ps=clock_ps,
                        prove=False,
                        jobs=jobs,
                        on_progress=update,
                    )
            except (UserError, ToolError):
                continue
            areas[table.name] = record.area_um2
    return areas


def rounding_lines(name: str, design: "MacSpec", areas: Mapping[str, float]) -> list[str]:
    """Lines on the areas of the format and its rounded forms; none if its integers have few bits.

    ``design`` is the MAC whose weights have the format. ``areas`` are in um^2, by the name of the
    format. They are not shown if ``--acc-width`` is given, since the lines state the bits of
    lossless sums.
    """

    def takes(weight: Format, activation: Format) -> str:
        """The area of the MAC, if it is known, and the bits of weights and sums."""
        width = lossless_acc_width(weight, activation, design.terms)
        widths = f"{weight.integer_width} bits per value, {width} per sum"
        area = areas.get(weight.name) if design.acc_width is None else None
        return widths if area is None else f"{area:,.1f} µm², {widths}"

    fmt, tables = load(name), _tables(name)
    lines = [
        f"  {name}@{bits}: {takes(table, _activation(design, table))}; no value moves by more than "
        f"{100 * largest_change(fmt, table):.2g} % of the greatest value"
        for bits, table in tables.items()
    ]
    own = takes(fmt, design.activation)
    head = f"{name}, multiples of {fmt.quantum}: {own}. With rounded values:"
    return [head, *lines] if lines else []
