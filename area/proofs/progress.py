"""The proof that the DFloat11 decoder never hangs, by induction from any state, for any input.

The decoder reads a compressed tensor in chunks and outputs weights. Its ports are streams, and a
*beat* is one transfer on a stream, in a cycle in which ``valid`` and ``ready`` are both high. While
all input streams are valid and all output streams are ready, a beat must cross some stream every
few cycles. A chunk has a limited number of beats, so every chunk ends. If a stream is not valid or
not ready, the unit may wait for it.

The proof starts with any values in the registers, even values that cannot occur. So it covers
every code table, and everything that the decoder may have read before. Payloads may have any value
in every cycle.
"""

import tempfile
import time
from functools import reduce
from operator import and_, or_
from pathlib import Path
from typing import Any

from amaranth.hdl import Assert, Module, Signal, Value
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In

from halfbyte.area.proofs.results import PROVED, UnitProof
from halfbyte.base import ToolError, run_yosys
from halfbyte.rtl import to_rtlil

__all__ = ["MAX_IDLE", "ProgressError", "prove_progress"]

MAX_IDLE = 7
"""The most cycles in a row without a beat, while the unit computes a CRC or changes state."""
_TIMEOUT = 600  # seconds; on an idle core the proof takes about ten

_SCRIPT = """\
read_rtlil design.il
hierarchy -check -top progress
setattr -unset init w:*
proc -norom
flatten
chformal -lower
opt -full
sat -tempinduct -tempinduct-inductonly -prove-asserts -verify -maxsteps {steps} progress
"""


class ProgressError(ToolError):
    """A unit can hang, or the proof was not found."""


class _Progress(wiring.Component):
    """A unit with an assertion: there are at most ``max_idle`` idle cycles in a row.

    A cycle is idle if no beat crosses a stream although all input streams are valid, all output
    streams are ready, and ``usable`` is high. All inputs of the unit may have any value, also those
    that are not streams: a lane's code table, and ``usable``, which says whether the table may be
    used.
    """

    def __init__(self, unit: wiring.Component, max_idle: int) -> None:
        self.unit = unit
        self.max_idle = max_idle
        members = {
            "__".join(map(str, path)): In(len(Value.cast(value)))
            for path, member, value in unit.signature.flatten(unit)
            if member.flow == In
        }
        super().__init__(members)

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.unit = unit = self.unit
        offered: list[Value] = []
        moved: list[Value] = []
        for path, member, value in unit.signature.flatten(unit):
            if member.flow == In:
                name = "__".join(map(str, path))
                m.d.comb += Value.cast(value).eq(getattr(self, name))
                if path[-1] in ("valid", "ready", "usable"):
                    offered.append(Value.cast(value))
        for each in _streams(unit):
            moved.append(each.valid & each.ready)
        idle = Signal(range(self.max_idle + 2))
        with m.If(reduce(and_, offered) & ~reduce(or_, moved)):
            m.d.sync += idle.eq(idle + 1)
        with m.Else():
            m.d.sync += idle.eq(0)
        m.d.comb += Assert(idle <= self.max_idle)
        return m


def _streams(unit: wiring.Component) -> list[Any]:
    """All streams among a unit's ports."""
    found: list[Any] = []
    for name, member in unit.signature.members.items():
        if member.is_signature and isinstance(member.signature, stream.Signature):
            each = getattr(unit, name)
            found += list(each) if member.dimensions else [each]
    return found


def prove_progress(unit: wiring.Component, max_idle: int = MAX_IDLE) -> UnitProof:
    """Prove that a beat crosses some stream of ``unit`` at least every ``max_idle + 1`` cycles.

    This must hold while all input streams are valid and all output streams are ready. ``unit`` is a
    lane or a whole decoder. If a decoder has a stream of code tables, beats on this stream count
    too. Raises ProgressError if the unit can be idle for longer, or if Yosys fails.
    """
    start = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="halfbyte-progress-") as temporary:
        folder = Path(temporary)
        (folder / "design.il").write_text(to_rtlil(_Progress(unit, max_idle), "progress"))
        try:
            run_yosys(
                _SCRIPT.format(steps=max_idle + 3), folder, "Proof of progress", timeout=_TIMEOUT
            )
        except ToolError as error:
            raise ProgressError(
                f"{type(unit).__name__} can be idle for more than {max_idle} cycles while all "
                "input streams are valid and all output streams are ready, or the proof failed",
                error.command,
                error.tail,
            ) from error
    return UnitProof(
        status=PROVED,
        claim=(
            "while all inputs are valid and all outputs are ready, a beat crosses a stream within "
            f"{max_idle + 1} cycles"
        ),
        method="induction from any state, with any code table and payloads",
        counterexample=None,
        seconds=round(time.monotonic() - start, 3),
    )
