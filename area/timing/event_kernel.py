"""The compiled loop that handles the events of :mod:`.glitches` in the order of their times.

An event is a change of a net at a certain time. A net has at most one pending event, which inverts
its value. Events wait in a binary heap: ``times`` and ``items`` are the times and nets of its
entries, and ``where`` is the place of each net's event in the heap, or -1 if it has none. So a
cancelled event can be removed. All changes at one time are made before the gates that read them are
evaluated.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from halfbyte.base.compiled import borrowing_jit, inner_jit

__all__ = ["TimedGates", "run_events"]

_Ints = NDArray[np.int64]


class TimedGates(NamedTuple):
    """A netlist as arrays.

    Nets are numbered: first the sources (constants, inputs and outputs of registers), then the
    outputs of gates.

    Parameters
    ----------
    reads : (outputs, pins) int64
        For each output of a gate, the nets at the gate's input pins; 0 for a pin that the gate
        lacks.
    tables : (outputs,) uint64
        Truth tables: bit ``row`` is the output if the pins have the bits of ``row``.
    delays : (outputs, pins, 2) int64
        Delays in fs from a pin to a rising output, and to a falling output.
    launch : (sources, 2) int64
        Times in fs after the clock edge at which a source rises, and at which it falls.
    starts, readers : (nets + 1,) int64, (n, 2) int64
        The outputs and pins that read net ``i`` are ``readers[starts[i] : starts[i + 1]]``.
    """

    reads: _Ints
    tables: NDArray[np.uint64]
    delays: _Ints
    launch: _Ints
    starts: _Ints
    readers: _Ints


class _Work(NamedTuple):
    """Working arrays, (nets,) int64 each."""

    times: _Ints  # the heap
    items: _Ints
    where: _Ints
    cause: _Ints  # the input pin that causes the pending event of a net
    touched: _Ints  # outputs of gates whose inputs change now
    changed: _Ints  # bit i: input pin i of the output changes now


@inner_jit
def _swap(times: _Ints, items: _Ints, where: _Ints, one: int, other: int) -> None:
    """Exchange two entries of the heap."""
    times[one], times[other] = times[other], times[one]
    items[one], items[other] = items[other], items[one]
    where[items[one]], where[items[other]] = one, other


@inner_jit
def _settle(times: _Ints, items: _Ints, where: _Ints, size: int, place: int) -> None:
    """Move the entry at ``place`` up or down until the heap is in order again."""
    while place > 0 and times[place] < times[(place - 1) // 2]:
        _swap(times, items, where, place, (place - 1) // 2)
        place = (place - 1) // 2
    while 2 * place + 1 < size:
        child = 2 * place + 1
        if child + 1 < size and times[child + 1] < times[child]:
            child += 1
        if times[place] <= times[child]:
            break
        _swap(times, items, where, place, child)
        place = child


@inner_jit
def _push(times: _Ints, items: _Ints, where: _Ints, size: int, time: int, item: int) -> int:
    """Add an event of net ``item`` at ``time``; returns the new size of the heap."""
    times[size], items[size], where[item] = time, item, size
    _settle(times, items, where, size + 1, size)
    return size + 1


@inner_jit
def _remove(times: _Ints, items: _Ints, where: _Ints, size: int, item: int) -> int:
    """Remove the event of net ``item``; returns the new size of the heap."""
    place, size = where[item], size - 1
    _swap(times, items, where, place, size)
    where[item] = -1
    if place < size:
        _settle(times, items, where, size, place)
    return size


@borrowing_jit
def _run(
    gates: TimedGates,
    settled: NDArray[np.uint8],
    steps: int,
    caused: NDArray[np.int64],
    last: NDArray[np.uint8],
    work: _Work,
) -> None:
    """Count the changes in ``caused``.

    ``last`` has the values at the start, which this function replaces by those at the end.
    """
    reads, tables, delays, launch, starts, readers = gates
    sources = launch.shape[0]
    times, items, where = work.times, work.items, work.where
    cause, touched, changed = work.cause, work.touched, work.changed
    for stream in range(settled.shape[0]):
        value = last[stream]
        for cycle in range(1, steps + 1):
            after = settled[stream, cycle % settled.shape[1]]
            size = 0
            for net in range(sources):
                if after[net] != value[net]:
                    # In `launch` and `delays`, index 0 is for a rising net, 1 for a falling one.
                    size = _push(times, items, where, size, launch[net, 1 - after[net]], net)
            while size:
                now, count = times[0], 0
                while size and times[0] == now:
                    net = items[0]
                    size = _remove(times, items, where, size, net)
                    value[net] ^= 1
                    caused[net, cause[net]] += 1
                    for entry in range(starts[net], starts[net + 1]):
                        output = readers[entry, 0]
                        if not changed[output]:
                            touched[count] = output
                            count += 1
                        changed[output] |= 1 << readers[entry, 1]
                # Evaluate each output that reads a changed net. If it keeps its value, its pending
                # event is removed. Else an event is added if none is pending; its cause is the
                # changed pin with the shortest delay.
                for place in range(count):
                    output = touched[place]
                    net, row = sources + output, np.int64(0)
                    for pin in range(reads.shape[1]):
                        row |= np.int64(value[reads[output, pin]]) << pin
                    target = np.int64(tables[output] >> np.uint64(row) & np.uint64(1))
                    if target == value[net]:
                        if where[net] >= 0:
                            size = _remove(times, items, where, size, net)
                    elif where[net] < 0:
                        best = -1
                        for pin in range(reads.shape[1]):
                            if changed[output] >> pin & 1 and (
                                best < 0
                                or delays[output, pin, 1 - target]
                                < delays[output, best, 1 - target]
                            ):
                                best = pin
                        cause[net] = best
                        time = now + delays[output, best, 1 - target]
                        size = _push(times, items, where, size, time, net)
                    changed[output] = 0


def run_events(
    gates: TimedGates,
    settled: NDArray[np.uint8],
    steps: int,
) -> tuple[NDArray[np.int64], NDArray[np.uint8]]:
    """Count the changes of each net, by the input pin that causes them.

    The first cycle only gives the values at the start.

    Parameters
    ----------
    gates : TimedGates
        The netlist.
    settled : (streams, cycles, nets) uint8
        The values at the end of every cycle. The first cycle follows the last.
    steps : int
        Number of cycles to simulate after the first one.

    Returns
    -------
    (nets, pins) int64, (streams, nets) uint8
        The counts of changes, and the values after the last event. No pin causes the changes of a
        source: column 0 has all of them.
    """
    nets = settled.shape[2]
    caused = np.zeros((nets, gates.reads.shape[1]), np.int64)
    last = settled[:, 0].copy()
    work = _Work(*np.zeros((6, nets), np.int64))
    work.where.fill(-1)
    _run(gates, settled, steps, caused, last, work)
    return caused, last
