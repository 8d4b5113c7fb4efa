"""Area against clock: a sweep from a relaxed clock to one that cannot be met."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from halfbyte.area.cells.technology import Technology
from halfbyte.area.search.jobs import Progress
from halfbyte.area.search.smallest import synthesize
from halfbyte.area.timing.measure import measured_fields
from halfbyte.area.timing.operands import Operands
from halfbyte.base import UserError
from halfbyte.rtl import MacSpec

__all__ = ["sweep_clocks"]

# Ten clocks to a decade: each about 0.8 times the one before.
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
) -> list[dict[str, Any]]:
    """Records of the best MAC of each design at each clock, by design and from slow to fast.

    A netlist that was found for one clock counts at all of them: a faster clock never takes less
    area. Where no netlist meets the clock the record is that of the fastest one.

    Parameters
    ----------
    designs, technology, operands, jobs, on_progress
        As for :func:`halfbyte.area.synthesize`.
    clocks : sequence of float, optional
        Periods in ps. If not given: ten to a decade, from one that every smallest MAC meets, until
        one that no MAC meets.

    Raises
    ------
    ToolError, UserError
        As :func:`halfbyte.area.synthesize`.
    """

    def at(clock: float | None) -> list[dict[str, Any]]:
        return synthesize(
            designs,
            technology,
            clock_ps=clock,
            operands=operands,
            jobs=jobs,
            on_progress=on_progress,
        )

    found = [[record] for record in at(None)]
    untimed = next((group[0] for group in found if group[0]["delay_ps"] is None), None)
    if untimed:
        raise UserError(f"{technology.name} gives no delays: {untimed['not_measured']}")
    swept: list[float] = []
    for clock in clocks or _descending(max(group[0]["delay_ps"] for group in found)):
        records = at(clock)
        swept.append(clock)
        for group, record in zip(found, records, strict=True):
            group.append(record)
        if not clocks and all(record["wns_ps"] < 0 for record in records):
            break
    return [_best(group, clock) for group in found for clock in sorted(swept, reverse=True)]


def _descending(slowest: float) -> list[float]:
    """Rounded periods in ps, the first one no shorter than ``slowest``."""
    exponent = math.ceil(_PER_DECADE * math.log10(slowest))
    return [
        float(f"{10 ** (place / _PER_DECADE):.3g}")
        for place in range(exponent, exponent - _MOST_CLOCKS, -1)
    ]


def _best(group: Sequence[Mapping[str, Any]], clock: float) -> dict[str, Any]:
    met = [record for record in group if record["delay_ps"] <= clock]
    best = (
        min(met, key=lambda record: (record["area_um2"], record["delay_ps"]))
        if met
        else min(group, key=lambda record: (record["delay_ps"], record["area_um2"]))
    )
    return {**best, "clock_ps": clock, **measured_fields(best, clock)}
