"""Measures the energy of a DFloat11 decoder per decoded weight, and of a BF16 MAC per operation.

DFloat11 compresses BF16 weights in *chunks* of up to 16384. Exponents become codes; sign and
mantissa of each weight are kept as one raw byte. A *lane* of the decoder decodes one chunk at a
time. It looks up codes in a table that a *loader* has read, or it knows fixed codes and needs no
table.

A lane is simulated in 64 copies, and its energy is measured while it decodes. Rare work is left
out: a chunk's header and verdict (whether the chunk was correct), and loading the table, once per
tensor. The lane never waits for memory: its input streams are always valid, and its output streams
are always ready. A *beat* is one transfer on a stream, and the beats of a chunk form *packets*.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from halfbyte.area.cells.technology import Technology
from halfbyte.area.netlists.netlist import Netlist, read_netlist
from halfbyte.area.timing.activity import LANES as COPIES
from halfbyte.area.timing.activity import Activity, simulate, simulate_within
from halfbyte.area.timing.delay import analyse_timing
from halfbyte.area.timing.energy import Energy, all_reasons, analyse_energy, no_leakage
from halfbyte.area.timing.glitches import glitch_energy
from halfbyte.area.timing.operands import Operands, paired
from halfbyte.area.timing.packets import FixedPackets, Packets
from halfbyte.base import Record, UserError

__all__ = [
    "DecoderEnergy",
    "FixedSurroundings",
    "LaneSurroundings",
    "MacEnergy",
    "load_table",
    "measure_decoder",
    "measure_fixed",
    "measure_mac",
    "operand_words",
]

_ALL = (1 << COPIES) - 1  # a word with a 1 for every copy
# In the warm-up cycles a lane reads the header of a chunk and gives the first weights. Energy is
# measured in the cycles after the warm-up. The lane decodes one chunk of 256 weights, which does
# not end before the measurement ends.
WARM_UP, CYCLES = 88, 160
FIXED_WARM_UP = 8  # for a lane with fixed codes, which reads a shorter header
# Number of cycles in which the energy of a loaded table is measured.
_REST = 8


class _Source:
    """Offers the beats of one input stream, in 64 copies.

    ``beats`` has a row of payloads for each copy, (64, n), of ``bits`` bits each. The first
    ``counts[i]`` payloads of row ``i`` are a packet. A bit above the payload marks the last beat of
    the packet.
    """

    def __init__(self, beats: NDArray[Any], counts: NDArray[Any], bits: int) -> None:
        self._beats, self._counts, self._bits = beats.astype(np.uint64), counts.astype(int), bits
        self._next = np.zeros(COPIES, int)

    def drive(self, name: str) -> dict[str, list[int]]:
        """The words of the stream's ports ``valid`` and ``payload`` in this cycle."""
        places = np.minimum(self._next, self._beats.shape[1] - 1)
        last = (self._next == self._counts - 1).astype(np.uint64) << np.uint64(self._bits)
        payload = self._beats[np.arange(COPIES), places] | last
        return {
            f"{name}__valid": _words(self._is_valid.astype(np.uint64), 1),
            f"{name}__payload": _words(payload, self._bits + 1),
        }

    @property
    def _is_valid(self) -> NDArray[np.bool_]:
        return self._next < self._counts

    def take(self, ready: int) -> None:
        """Move to the next beat in the copies whose bit in ``ready`` is set."""
        self._next += self._is_valid & _flags(ready)


def _words(values: NDArray[np.uint64], bits: int) -> list[int]:
    """64 values as words: word ``i`` has bit ``i`` of all values."""
    places = np.arange(COPIES, dtype=np.uint64)
    return [
        int(np.bitwise_or.reduce((values >> np.uint64(bit) & np.uint64(1)) << places))
        for bit in range(bits)
    ]


def _flags(word: int) -> NDArray[np.bool_]:
    """Which copies have a 1 in a word, as (64,) booleans."""
    return np.array([word >> copy & 1 for copy in range(COPIES)], bool)


class LaneSurroundings:
    """The surroundings of a lane: memory that offers beats without a pause and takes every weight.

    ``given`` holds a pair for each cycle: a word whose bit ``i`` says whether copy ``i`` gave a
    weight, and the bits of the weights, one word for each bit.
    """

    def __init__(self, packets: Packets, table: Sequence[int]) -> None:
        counts = np.full(COPIES, packets.raw.shape[1])
        self._constants = {"table": list(table), "usable": [_ALL]}
        self._sources = {
            "words": _Source(packets.words, packets.word_counts, 32),
            "raw": _Source(packets.raw, counts, 8),
        }
        self._resets = True
        self.given: list[tuple[int, Sequence[int]]] = []

    def drive(self) -> Mapping[str, Sequence[int]]:
        """The inputs of the next cycle: first a reset, in later cycles the beats of the streams."""
        streams = {
            port: [0] * len(words) if self._resets else words
            for name, source in self._sources.items()
            for port, words in source.drive(name).items()
        }
        return {
            "rst": [_ALL if self._resets else 0],
            "weights__ready": [_ALL],
            "verdict__ready": [_ALL],
            **self._constants,
            **streams,
        }

    def observe(self, outputs: Mapping[str, Sequence[int]]) -> None:
        """Record the weights that the lane gave, and move past the beats that it took."""
        self.given.append((outputs["weights__valid"][0], outputs["weights__payload"]))
        if not self._resets:
            for name, source in self._sources.items():
                source.take(outputs[f"{name}__ready"][0])
        self._resets = False


class FixedSurroundings(LaneSurroundings):
    """The surroundings of a lane with fixed codes, which gives ``symbols`` weights per cycle."""

    def __init__(self, packets: FixedPackets, symbols: int) -> None:
        counts = np.full(COPIES, packets.raw.shape[1] // symbols)
        self._constants = {}
        self._sources = {
            "codes": _Source(
                _in_beats(packets.codes, symbols), packets.code_counts // symbols, 8 * symbols
            ),
            "raw": _Source(_in_beats(packets.raw, symbols), counts, 8 * symbols),
        }
        self._resets = True
        self.given = []


def _in_beats(data: NDArray[np.uint8], symbols: int) -> NDArray[Any]:
    """(64, n) bytes joined to (64, n // symbols) numbers, each with its first byte lowest."""
    places = 8 * np.arange(symbols, dtype=np.uint64)
    whole = data[:, : data.shape[1] // symbols * symbols].astype(np.uint64)
    beats: NDArray[Any] = (whole.reshape(COPIES, -1, symbols) << places).sum(axis=2)
    return beats


class _LoaderSurroundings:
    """The surroundings of a loader: all copies read the same table; lanes are busy afterwards."""

    def __init__(self, numbers: NDArray[np.uint16]) -> None:
        beats = np.broadcast_to(numbers, (COPIES, len(numbers)))
        self._numbers = _Source(beats, np.full(COPIES, len(numbers)), 16)
        # Counts down in each cycle. Below 0, the table is loaded and the lanes are busy.
        self._left = len(numbers) + 1
        self.outputs: Mapping[str, Sequence[int]] = {}

    def drive(self) -> Mapping[str, Sequence[int]]:
        resets = not self.outputs
        streams = self._numbers.drive("numbers")
        if resets:
            streams = {port: [0] * len(words) for port, words in streams.items()}
        return {
            "rst": [_ALL if resets else 0],
            "busy": [_ALL if self._left < 0 else 0],
            **streams,
        }

    def observe(self, outputs: Mapping[str, Sequence[int]]) -> None:
        if self.outputs:
            self._numbers.take(outputs["numbers__ready"][0])
        self.outputs = outputs
        self._left -= 1


def load_table(loader: Netlist, packets: Packets) -> tuple[list[int], Activity]:
    """Let a loader's netlist read the code table of the packets.

    Returns the words of the loader's output ``table``, and the activity of the loader in the idle
    cycles that follow. Raises AssertionError if the loader refuses the table.
    """
    surroundings = _LoaderSurroundings(packets.numbers)
    activity = simulate_within(loader, surroundings, warm_up=len(packets.numbers) + 3, cycles=_REST)
    if surroundings.outputs["usable"] != [_ALL]:
        raise AssertionError("The loader refuses the code table of the packets")
    return list(surroundings.outputs["table"]), activity


@dataclass(frozen=True, kw_only=True)
class DecoderEnergy(Record):
    """The energy of decoding; if the technology lacks data for it, all energies are None."""

    lane_energy_fj: float | None = None
    """Energy of a lane per weight, in fJ, without glitches."""
    lane_glitch_fj: float | None = None
    """Energy of a lane per weight, in fJ, with glitches."""
    lane_clock_fj: float | None = None
    """The part of ``lane_energy_fj`` that the clock pins of flip-flops take, in fJ."""
    table_energy_fj: float | None = None
    """Energy of the idle code table, in fJ, in the time in which one lane gives a weight."""
    lane_leakage_nw: float | None
    """Leakage of a lane, in nW."""
    table_leakage_nw: float | None
    """Leakage of the code table, in nW."""
    not_measured: str | None = None
    """What the library lacks for fields that are null; null if it lacks nothing."""


@dataclass(frozen=True, kw_only=True)
class MacEnergy(Record):
    """The energy of a BF16 MAC; if the technology lacks data for it, all energies are None."""

    energy_fj: float | None = None
    """Energy in fJ of one multiply-accumulate, without glitches."""
    glitch_energy_fj: float | None = None
    """Energy in fJ of one multiply-accumulate, with the glitches that the cells' delays cause."""
    clock_energy_fj: float | None = None
    """The part of ``energy_fj`` that the clock pins of flip-flops take, in fJ."""
    leakage_nw: float | None = None
    """Leakage, in nW."""
    not_measured: str | None = None
    """What the library lacks for fields that are null; null if it lacks nothing."""


def measure_decoder(
    lane: Path, loader: Path, top: str, technology: Technology, packets: Packets
) -> DecoderEnergy:
    """Energies and leakages of a lane and of the code table.

    ``lane`` and ``loader`` are netlists in the format of Yosys' ``write_json``, with the module
    ``top``. The table is idle, so it only takes the energy of its clock pins. If the technology
    lacks data, such as a timing table or the supply voltage, all energies are None, and
    ``not_measured`` says why.
    """
    one, table = (read_netlist(path, technology.cells, top) for path in (lane, loader))
    unknown = no_leakage(one, table)
    result = DecoderEnergy(
        lane_leakage_nw=one.leakage, table_leakage_nw=table.leakage, not_measured=unknown
    )
    try:
        code, at_rest = load_table(table, packets)
        surroundings = LaneSurroundings(packets, code)
        decoding = simulate_within(one, surroundings, warm_up=WARM_UP, cycles=CYCLES)
        of_lane, glitching = _energies(one, technology, decoding)
        of_table, _ = _energies(table, technology, at_rest)
    except UserError as error:
        return replace(result, not_measured=all_reasons(str(error), unknown))
    given = sum(valid.bit_count() for valid, _ in surroundings.given[WARM_UP:])
    weights_per_cycle = given / (COPIES * CYCLES)
    return replace(
        result,
        lane_energy_fj=round(of_lane.total / weights_per_cycle, 3),
        lane_glitch_fj=round(glitching.total / weights_per_cycle, 3),
        lane_clock_fj=round(of_lane.clock / weights_per_cycle, 3),
        table_energy_fj=round(of_table.total / weights_per_cycle, 3),
    )


def measure_fixed(
    lane: Path, top: str, technology: Technology, packets: FixedPackets, symbols: int
) -> DecoderEnergy:
    """Energies and leakage of a lane with fixed codes, which gives ``symbols`` weights per cycle.

    The other parameters are those of :func:`measure_decoder`. The code table's leakage is 0, and so
    is its energy if the lane's energy can be measured.
    """
    netlist = read_netlist(lane, technology.cells, top)
    unknown = no_leakage(netlist)
    result = DecoderEnergy(
        lane_leakage_nw=netlist.leakage, table_leakage_nw=0.0, not_measured=unknown
    )
    try:
        surroundings = FixedSurroundings(packets, symbols)
        activity = simulate_within(
            netlist, surroundings, warm_up=FIXED_WARM_UP, cycles=CYCLES // symbols
        )
        energy, glitching = _energies(netlist, technology, activity)
    except UserError as error:
        return replace(result, not_measured=all_reasons(str(error), unknown))
    beats = sum(valid.bit_count() for valid, _ in surroundings.given[FIXED_WARM_UP:])
    weights_per_cycle = beats * symbols / (COPIES * (CYCLES // symbols))
    return replace(
        result,
        lane_energy_fj=round(energy.total / weights_per_cycle, 3),
        lane_glitch_fj=round(glitching.total / weights_per_cycle, 3),
        lane_clock_fj=round(energy.clock / weights_per_cycle, 3),
        table_energy_fj=0.0,
    )


def measure_mac(path: Path, top: str, technology: Technology, operands: Operands) -> MacEnergy:
    """Energy and leakage of the BF16 MAC, measured on the same operands as the 4-bit MACs."""
    netlist = read_netlist(path, technology.cells, top)
    unknown = no_leakage(netlist)
    result = MacEnergy(leakage_nw=netlist.leakage, not_measured=unknown)
    try:
        activity = simulate(netlist, operand_words(operands))
        energy, glitching = _energies(netlist, technology, activity)
    except UserError as error:
        return replace(result, not_measured=all_reasons(str(error), unknown))
    return replace(
        result,
        energy_fj=round(energy.total, 3),
        glitch_energy_fj=round(glitching.total, 3),
        clock_energy_fj=round(energy.clock, 3),
    )


def operand_words(operands: Operands) -> dict[str, NDArray[np.unsignedinteger]]:
    """Operands as BF16 numbers by port, and ``clear``, which is 1 for the first of 256 terms.

    Each array is (256, 64). The values lie between -1 and 1. The MACs of 4-bit formats get the
    nearest codes instead.
    """
    words = paired(_bf16(operands.weights), _bf16(operands.activations))
    clear = np.zeros(words["w"].shape, np.uint8)
    clear[0] = 1
    return {**words, "clear": clear}


def _bf16(values: NDArray[np.int16]) -> NDArray[np.uint16]:
    """The nearest BF16 numbers, ties to even; the value 32767 stands for 1."""
    # Round FP32 to its upper 16 bits. 0x7FFF is just less than half of their last bit. Adding that
    # last bit too makes ties go to even.
    bits = (values / np.float32(32767)).astype(np.float32).view(np.uint32).astype(np.uint64)
    return ((bits + 0x7FFF + (bits >> np.uint64(16) & np.uint64(1))) >> np.uint64(16)).astype(
        np.uint16
    )


def _energies(
    netlist: Netlist, technology: Technology, activity: Activity
) -> tuple[Energy, Energy]:
    """The energies of a netlist without glitches, and with glitches."""
    timing = analyse_timing(netlist, technology)
    return (
        analyse_energy(netlist, technology, timing, activity),
        glitch_energy(netlist, technology, timing, activity),
    )
