"""Finds the best MAC of each design at each of many clocks: area against clock."""

import math
from collections.abc import Sequence

from halfbyte.area.cells.technology import Technology
from halfbyte.area.search.records import SynthesisRecord
from halfbyte.area.search.smallest import synthesize
from halfbyte.area.synthesis import clocked
from halfbyte.area.timing.operands import Operands
from halfbyte.base import Progress, UserError
from halfbyte.rtl import MacSpec

__all__ = ["sweep_clocks"]

# Clock periods in each factor of ten: each period is about 0.8 times the one before.
_PER_DECADE = 10
_MOST_CLOCKS = 20


def sweep_clocks(
    designs: Sequence[MacSpec],
    technology: Technology,
    *,
    clocks: Sequence[float] | None = None,
    operands: Operands | None = None,
    jobs: int | None = None,
    on_progress: Progress | None = None,
) -> list[SynthesisRecord]:
    """Records of the best MAC of each design at each clock.

    The records of the first design come first, from the slowest clock to the fastest. A netlist
    that was found for one clock is a candidate at all clocks, so the area never shrinks when the
    clock gets faster. If no netlist meets a clock, the record is that of the fastest netlist.

    Parameters
    ----------
    designs, technology, operands, jobs, on_progress
        The same as for :func:`halfbyte.area.synthesize`.
    clocks : sequence of float, optional
        Periods in ps. By default there are ten periods in each factor of ten. The first is a period
        that the smallest MAC of every design meets. The last is one that no MAC meets, or the 20th.

    Raises
    ------
    ProofError, ToolError
        In the same cases as :func:`halfbyte.area.synthesize`.
    UserError
        The technology has no timing tables.
    """

    def at(clock: float | None) -> list[SynthesisRecord]:
        return synthesize(
            designs,
            technology,
            clock_ps=clock,
            operands=operands,
            jobs=jobs,
            on_progress=on_progress,
        )

    found = [[record] for record in at(None)]
    slowest = max(_delay(group[0], technology) for group in found)
    swept: list[float] = []
    for clock in clocks or _descending(slowest):
        records = at(clock)
        swept.append(clock)
        for group, record in zip(found, records, strict=True):
            group.append(record)
        if not clocks and all(_delay(record, technology) > clock for record in records):
            break
    return [
        _best(group, clock, technology) for group in found for clock in sorted(swept, reverse=True)
    ]


def _descending(slowest: float) -> list[float]:
    """Twenty rounded periods in ps, from the longest to the shortest.

    The first is not shorter than ``slowest``, apart from the rounding.
    """
    exponent = math.ceil(_PER_DECADE * math.log10(slowest))
    return [
        float(f"{10 ** (place / _PER_DECADE):.3g}")
        for place in range(exponent, exponent - _MOST_CLOCKS, -1)
    ]


def _delay(record: SynthesisRecord, technology: Technology) -> float:
    """The delay in ps; raises UserError if it is not known."""
    if record.delay_ps is None:
        raise UserError(f"{technology.name} gives no delays: {record.not_measured}")
    return record.delay_ps


def _best(
    group: Sequence[SynthesisRecord], clock: float, technology: Technology
) -> SynthesisRecord:
    """The record of the best netlist at a clock."""

    def rank(record: SynthesisRecord) -> tuple[bool, float, float]:
        return clocked.rank(record.area_um2 or 0.0, _delay(record, technology), clock)

    return min(group, key=rank).at_clock(clock)
