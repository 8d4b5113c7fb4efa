"""The test bench around the DFloat11 decoder: drivers and monitors of all streams.

A lane of the decoder takes packets and returns weights. A packet is a chunk of a compressed tensor.
It consists of beats (transfers) of coded exponents, and beats of raw bytes, which hold signs and
mantissas. After the weights of each packet, the lane says in a verdict whether the packet is good.
"""

import random
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from cocotb.triggers import FallingEdge, RisingEdge

from halfbyte.sim.dfloat11.plan import DecoderPlan, Packet, Session
from halfbyte.sim.harness import reported, start_clock
from halfbyte.sim.scoreboard import MismatchError

__all__ = ["Testbench"]

# A decoder counts as hanging after this many cycles without progress, plus this many divided by the
# probability that a stream is ready in a cycle.
_PATIENCE = 40
# Cycles after the last verdict in which no more output may come.
_QUIET = 30
_VERDICTS = ("good", "wrong CRC", "not a code", "wrong length")


class _Source:
    """The beats for one input stream. Once a beat is offered, it is offered until it is taken."""

    def __init__(self, beats: Iterable[int]) -> None:
        self._beats = iter(beats)
        self.beat = next(self._beats, None)
        self.valid = False

    def offer(self, now: bool) -> None:
        """Offer the next beat if ``now`` is true, or if it is offered already."""
        self.valid = self.beat is not None and (self.valid or now)

    def take(self) -> None:
        """The decoder has taken the beat: go on to the next one."""
        self.beat = next(self._beats, None)
        self.valid = False


class _Lane:
    """The inputs of one lane, and how much of the expected output has come."""

    def __init__(self, packets: Sequence[Packet], plan: DecoderPlan) -> None:
        self.words = _Source(_beats((packet.words for packet in packets), plan.coded_bits))
        self.raw = _Source(_beats((packet.raw for packet in packets), 8 * plan.symbols))
        self.packets = packets
        self.packet = 0  # index of the packet from which weights come now
        self.weights = 0  # weights of this packet that have come

    @property
    def is_done(self) -> bool:
        return self.packet == len(self.packets) and self.words.beat is None is self.raw.beat


def _beats(packets: Iterable[Sequence[int]], last_bit: int) -> Iterable[int]:
    """The beats of all packets, with bit ``last_bit`` set in the last beat of each."""
    for packet in packets:
        for index, beat in enumerate(packet):
            yield beat | (index == len(packet) - 1) << last_bit


class Testbench:
    """Drives the sessions of one scenario into the module ``bench`` and checks all output.

    A session consists of packets for each lane, and often of a code table that is loaded first.
    Inputs change after the rising edge; streams are read on the falling edge, when all signals have
    settled. A beat that is valid and ready on the falling edge is transferred at the next rising
    edge.

    Parameters
    ----------
    dut : cocotb handle
        Module ``bench`` of :meth:`PortMap.verilog`. All ports of the decoder are parts of its two
        wide ports.
    folder : Path
        The folder with the plan. The report is written there, too.
    scenario : str
        Name of the scenario.
    """

    # Without this, pytest would take this class for a class of tests.
    __test__ = False

    def __init__(self, dut: Any, folder: Path, scenario: str) -> None:
        self._dut = dut
        self._folder, self._scenario = folder, scenario
        self.plan = DecoderPlan.load(folder, scenario)
        self._inputs = self.plan.ports.input_offsets
        self._outputs = self.plan.ports.output_offsets
        self._random = random.Random(self.plan.seed)  # noqa: S311
        self.checks = 0
        self._cycles: list[int] = []

    async def run(self) -> None:
        """Drive and check all sessions; report the number of checks, and the sessions' cycles.

        Sessions that a reset ends are left out of the cycles.
        """
        start_clock(self._dut)
        with reported(self._folder, self._scenario) as report:
            try:
                await self._reset()
                for index, session in enumerate(self.plan.sessions):
                    self._session = index
                    await self._run(session)
            finally:
                report.products, report.cycles = self.checks, tuple(self._cycles)

    async def _reset(self) -> None:
        await RisingEdge(self._dut.clk)
        self._dut.stimulus.value = 1 << self._inputs["rst"]
        await RisingEdge(self._dut.clk)
        self._dut.stimulus.value = 0

    async def _run(self, session: Session) -> None:
        """Drive and check one session. If a reset ends it, only its table counts as checked."""
        if session.table:
            await self._load(session)
        lanes = [_Lane(packets, self.plan) for packets in session.lanes]
        patience = _PATIENCE + int(_PATIENCE / session.flow)
        idle = cycles = 0
        while not all(lane.is_done for lane in lanes):
            moved = await self._cycle(lanes, session.flow)
            idle = 0 if moved else idle + 1
            cycles += 1
            if idle > patience:
                self._fail(f"nothing has moved for {idle} cycles", lanes)
            if session.reset_after == cycles:
                await self._reset()
                self.checks -= sum(
                    lane.weights
                    + sum(len(packet.weights) + 1 for packet in lane.packets[: lane.packet])
                    for lane in lanes
                )
                return
        self._cycles.append(cycles)
        for _ in range(_QUIET):
            await self._cycle(lanes, 1.0)

    async def _load(self, session: Session) -> None:
        """Send the code table, and check that it is accepted or refused as planned.

        After a refused table, lane 0 must not take a word.
        """
        table = _Source(_beats([session.table], 16))
        while table.beat is not None:
            table.offer(self._random.random() < session.flow)
            result = await self._step(self._offered("table", table))
            if table.valid and result >> self._outputs["table__ready"] & 1:
                table.take()
        offered = 1 << self._inputs["words__0__valid"] if session.refused else 0
        result = await self._step(offered)
        if (result >> self._outputs["table_error"] & 1) != session.refused:
            self._fail(f"table_error should be {int(session.refused)}", [])
        if session.refused and result >> self._outputs["words__0__ready"] & 1:
            self._fail("a lane takes words for a table that was refused", [])
        self.checks += 1

    def _offered(self, stream: str, source: _Source) -> int:
        """The bits of the stimulus for one stream: valid and payload; 0 if nothing is offered."""
        if not source.valid or source.beat is None:
            return 0
        payload = source.beat << self._inputs[f"{stream}__payload"]
        return payload | 1 << self._inputs[f"{stream}__valid"]

    async def _step(self, stimulus: int) -> int:
        """Run one clock cycle with these inputs; return the outputs on its falling edge."""
        self._dut.stimulus.value = stimulus
        await FallingEdge(self._dut.clk)
        result: int = self._dut.result.value.to_unsigned()
        await RisingEdge(self._dut.clk)
        return result

    async def _cycle(self, lanes: Sequence[_Lane], flow: float) -> bool:
        """Run one cycle of all lanes; return whether a beat moved on any stream."""
        chance = self._random.random
        stimulus, takes = 0, []
        for index, lane in enumerate(lanes):
            lane.words.offer(chance() < flow)
            lane.raw.offer(chance() < flow)
            stimulus |= self._offered(f"{self.plan.coded}__{index}", lane.words)
            stimulus |= self._offered(f"raw__{index}", lane.raw)
            takes.append((chance() < flow, chance() < flow))
            for stream, taken in zip(("weights", "verdict"), takes[-1], strict=True):
                stimulus |= taken << self._inputs[f"{stream}__{index}__ready"]
        result = await self._step(stimulus)
        moved = False
        for index, (lane, (takes_weight, takes_verdict)) in enumerate(
            zip(lanes, takes, strict=True)
        ):
            for stream, source in ((self.plan.coded, lane.words), ("raw", lane.raw)):
                if source.valid and result >> self._outputs[f"{stream}__{index}__ready"] & 1:
                    source.take()
                    moved = True
            if takes_weight and result >> self._outputs[f"weights__{index}__valid"] & 1:
                seen = result >> self._outputs[f"weights__{index}__payload"]
                for place in range(self.plan.symbols):
                    self._check_weight(index, lane, seen >> 16 * place & 0xFFFF)
                moved = True
            if takes_verdict and result >> self._outputs[f"verdict__{index}__valid"] & 1:
                seen = result >> self._outputs[f"verdict__{index}__payload"] & 3
                self._check_verdict(index, lane, seen)
                moved = True
        return moved

    def _check_weight(self, index: int, lane: _Lane, seen: int) -> None:
        """Compare a weight that lane ``index`` gives with the expected one."""
        if lane.packet == len(lane.packets):
            self._fail(f"lane {index} gives weight {seen:04x} after all packets", [lane])
        packet = lane.packets[lane.packet]
        if lane.weights == len(packet.weights):
            self._fail(
                f"lane {index} gives weight {seen:04x} after all {lane.weights} weights of the "
                "packet",
                [lane],
            )
        expected = packet.weights[lane.weights]
        if seen != expected:
            self._fail(
                f"lane {index}, weight {lane.weights}: expected {_bf16(expected)}, "
                f"seen {_bf16(seen)}",
                [lane],
            )
        lane.weights += 1
        self.checks += 1

    def _check_verdict(self, index: int, lane: _Lane, seen: int) -> None:
        """Compare a verdict that lane ``index`` gives with the expected one."""
        if lane.packet == len(lane.packets):
            self._fail(f"lane {index} gives a verdict after all packets", [lane])
        packet = lane.packets[lane.packet]
        if seen != packet.verdict or lane.weights != len(packet.weights):
            self._fail(
                f"lane {index}: expected {_VERDICTS[packet.verdict]} after {len(packet.weights)} "
                f"weights, seen {_VERDICTS[seen]} after {lane.weights}",
                [lane],
            )
        lane.packet += 1
        lane.weights = 0
        self.checks += 1

    def _fail(self, problem: str, lanes: Sequence[_Lane]) -> None:
        """Raise MismatchError with the problem and the packets of ``lanes``."""
        where = [
            f"  packet {lane.packet}: {lane.packets[lane.packet].what}"
            for lane in lanes
            if lane.packet < len(lane.packets)
        ]
        head = (
            f"{self.plan.title}: mismatch in scenario {self._scenario}, session {self._session} "
            f"(seed {self.plan.seed})"
        )
        raise MismatchError("\n".join([head, f"  {problem}", *where]))


def _bf16(word: int) -> str:
    return f"{word:04x} (sign {word >> 15}, exponent {word >> 7 & 0xFF}, mantissa {word & 0x7F})"
