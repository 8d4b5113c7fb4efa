"""Say how much smaller a MAC becomes if the values of its format are rounded to fewer bits."""

from collections.abc import Mapping, Sequence
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
    from dataclasses import replace

    from halfbyte.area import synthesize
    from halfbyte.base import ToolError, UserError

    by_format = {design.weight: design for design in designs if design.acc_width is None}
    areas: dict[str, float] = {}
    for name in names:
        design = by_format.get(load(name))
        for table in _tables(name).values() if design else ():
            assert design is not None  # noqa: S101
            is_own = design.activation == design.weight
            try:
                spec = replace(
                    design, weight=table, activation=table if is_own else design.activation
                )
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


def rounding_lines(name: str, terms: int, areas: Mapping[str, float]) -> list[str]:
    """Lines on the areas of the format and its rounded forms; none if its integers have few bits.

    ``areas`` are in um^2, by the format's name.
    """
    fmt, tables = load(name), _tables(name)
    lines = [
        f"  {name}@{bits}: {_takes(table, terms, areas)}; no value moves by more than "
        f"{100 * largest_change(fmt, table):.2g} % of the greatest value"
        for bits, table in tables.items()
    ]
    head = f"{name}, multiples of {fmt.quantum}: {_takes(fmt, terms, areas)}. With rounded values:"
    return [head, *lines] if lines else []


def _takes(fmt: Format, terms: int, areas: Mapping[str, float]) -> str:
    """The area of the format's MAC, if it is known, and the bits of values and sums."""
    widths = f"{fmt.integer_width} bits per value, {lossless_acc_width(fmt, fmt, terms)} per sum"
    area = areas.get(fmt.name)
    return widths if area is None else f"{area:,.1f} µm², {widths}"
