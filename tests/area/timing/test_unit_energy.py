"""Netlists of a DFloat11 decoder and the BF16 MAC, simulated to measure their energy.

The simulated netlists must also compute the right values. DFloat11 compresses BF16 weights. A
*lane* of the decoder decodes one stream, with a code table that the *loader* holds. The input
consists of *packets* of coded exponents and of raw bytes (sign and mantissa). 64 copies of a unit
are simulated at once, each with a stream of its own.
"""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from halfbyte.area.cells.technology import load_technology
from halfbyte.area.netlists.netlist import read_netlist
from halfbyte.area.synthesis.recipes import QUICK
from halfbyte.area.synthesis.yosys import synthesize_rtlil
from halfbyte.area.timing.activity import LANES, Activity, simulate, simulate_within
from halfbyte.area.timing.operands import load_operands
from halfbyte.area.timing.packets import ELEMENTS, Packets, load_packets
from halfbyte.area.timing.unit_energy import (
    CYCLES,
    WARM_UP,
    LaneSurroundings,
    load_table,
    measure_decoder,
    measure_mac,
    operand_words,
)
from halfbyte.golden.bf16_mac import bf16_mac_stream
from halfbyte.rtl import to_rtlil
from halfbyte.rtl.bf16 import Bf16Mac
from halfbyte.rtl.dfloat11 import MAX_LENGTH, ROWS, Lane, Loader

pytestmark = pytest.mark.yosys
HEADER = 18  # words of a packet before the coded exponents
NAME = "asap7"
GAP = "the library lacks the leakage of a cell or its unit"


@pytest.fixture(scope="module")
def paths(tmp_path_factory) -> dict[str, Path]:
    """The netlist files of all units by name; ASAP7's flip-flop has an inverted output."""
    folder, technology = tmp_path_factory.mktemp("units"), load_technology(NAME)
    units = {
        "lane": Lane(rows=ROWS, max_length=MAX_LENGTH),
        "loader": Loader(rows=ROWS, max_length=MAX_LENGTH),
        "mac": Bf16Mac(),
    }
    for name, unit in units.items():
        synthesize_rtlil(to_rtlil(unit, "unit"), technology, QUICK, folder / name, "unit")
    return {name: folder / name / "netlist.json" for name in units}


def without_leakage(technology):
    """The technology as if its library stated no leakages."""
    cells = {name: replace(cell, leakage=None) for name, cell in technology.cells.items()}
    return replace(technology, cells=cells)


def netlist(paths, name):
    return read_netlist(paths[name], load_technology(NAME).cells, "unit")


def decoded(packets: Packets, lane: int) -> list[int]:
    """The weights of one stream as 16-bit words, decoded in Python with the code table."""
    rows, escape, *rest = packets.numbers.tolist()
    counts, symbols = rest[:12], rest[12:]
    assert len(symbols) == rows
    codes, code, row = {}, 0, 0
    for length, count in enumerate(counts, 1):
        code <<= 1
        for _ in range(count):
            codes[f"{code:0{length}b}"] = row
            code, row = code + 1, row + 1
    words = packets.words[lane, HEADER : packets.word_counts[lane]].tolist()
    bits = "".join(f"{word:032b}" for word in words)
    weights, at = [], 0
    for raw in packets.raw[lane].tolist():
        length = next(n for n in range(1, 13) if bits[at : at + n] in codes)
        row = codes[bits[at : at + length]]
        at += length
        symbol = symbols[row]
        if row == escape:
            symbol, at = int(bits[at : at + 8], 2), at + 8
        weights.append((raw & 0x80) << 8 | symbol << 7 | raw & 0x7F)
    return weights


def test_a_lane_decodes_the_packets_that_its_energy_is_measured_on(paths):
    packets = load_packets()
    table, at_rest = load_table(netlist(paths, "loader"), packets)
    assert all(at_rest.toggles(net) == 0 for net in at_rest.words)
    surroundings = LaneSurroundings(packets, table)
    activity = simulate_within(netlist(paths, "lane"), surroundings, warm_up=WARM_UP, cycles=CYCLES)
    assert not activity.cyclic
    seen = [[] for _ in range(LANES)]
    # Each word holds one bit for every copy.
    for valid, bits in surroundings.given:
        for lane in range(LANES):
            if valid >> lane & 1:
                seen[lane].append(
                    sum((word >> lane & 1) << place for place, word in enumerate(bits))
                )
    for lane in range(LANES):
        assert seen[lane] == decoded(packets, lane)[: len(seen[lane])], lane
        # The lane decodes during the whole measurement, and gives a weight in nearly every cycle.
        assert CYCLES * 0.98 <= len(seen[lane]) < ELEMENTS
    assert all(valid for valid, _ in surroundings.given[WARM_UP:])


def test_energies_of_a_decoder(paths):
    technology, packets = load_technology(NAME), load_packets()
    arguments = (paths["lane"], paths["loader"], "unit")
    found = measure_decoder(*arguments, technology, packets)
    assert 0 < found.lane_clock_fj < found.lane_energy_fj
    assert found.table_energy_fj > 0
    assert found.not_measured is None
    without = measure_decoder(*arguments, replace(technology, voltage=None), packets)
    assert without.lane_energy_fj is None
    assert "supply voltage" in without.not_measured
    assert without.lane_leakage_nw == found.lane_leakage_nw
    found = measure_decoder(*arguments, without_leakage(technology), packets)
    assert (found.lane_leakage_nw, found.table_leakage_nw, found.not_measured) == (*2 * [None], GAP)
    assert found.lane_energy_fj > 0


def test_a_table_that_the_loader_refuses_is_an_error(paths):
    packets = load_packets()
    numbers = packets.numbers.copy()
    numbers[2] += 1  # one code too many
    with pytest.raises(AssertionError, match="refuses the code table"):
        load_table(netlist(paths, "loader"), replace(packets, numbers=numbers))


def test_the_bf16_mac_accumulates_what_the_golden_model_does(paths):
    words = operand_words(load_operands("minilm"))
    mac = netlist(paths, "mac")
    activity = simulate(mac, words)
    lanes = np.arange(LANES, dtype=np.uint64)
    found = sum(
        ((activity.words[net][:, None] >> lanes) & np.uint64(1)) << np.uint64(bit)
        for bit, net in enumerate(mac.outputs["acc"])
    )
    for lane in range(0, LANES, 7):
        stream = (words[port][:, lane].tolist() for port in ("w", "a", "clear"))
        expected = bf16_mac_stream(*stream)
        assert found[:, lane].tolist() == [expected[-1], *expected[:-1]]


def test_energy_of_the_bf16_mac(paths):
    technology, operands = load_technology(NAME), load_operands("minilm")
    found = measure_mac(paths["mac"], "unit", technology, operands)
    assert 0 < found.clock_energy_fj < found.energy_fj
    assert found.leakage_nw > 0
    still = replace(operands, weights=np.zeros_like(operands.weights))
    assert measure_mac(paths["mac"], "unit", technology, still).energy_fj < found.energy_fj
    without = measure_mac(paths["mac"], "unit", replace(technology, voltage=None), operands)
    assert without.energy_fj is None
    assert "supply voltage" in without.not_measured
    found = measure_mac(paths["mac"], "unit", without_leakage(technology), operands)
    assert (found.leakage_nw, found.not_measured) == (None, GAP)
    both = replace(without_leakage(technology), voltage=None)
    found = measure_mac(paths["mac"], "unit", both, operands)
    assert found.not_measured == f"{without.not_measured}; {GAP}"


def test_operands_are_rounded_to_bf16_as_torch_does():
    torch = pytest.importorskip("torch")
    operands = load_operands("minilm")
    words = operand_words(operands)
    for port, values in (("w", operands.weights), ("a", operands.activations)):
        scaled = torch.from_numpy(values.astype(np.float32)) / 32767
        expected = scaled.bfloat16().view(torch.uint16).numpy()
        for lane in range(LANES):
            layer, rest = divmod(lane, 16)
            row = rest // 4 if port == "w" else rest % 4
            assert np.array_equal(words[port][:, lane], expected[layer, row])


def test_a_cyclic_activity_counts_the_change_from_last_to_first_cycle():
    ones = 2**LANES - 1
    words = {2: np.array([0, ones, ones, 0, ones], np.uint64)}
    assert Activity(words, 5, cyclic=False).toggles(2) == 3 / 4
    assert Activity(words, 5).toggles(2) == 4 / 5


def test_packets_must_fit():
    packets = load_packets()
    with pytest.raises(ValueError, match="64 packets with 256 raw bytes each"):
        replace(packets, raw=packets.raw[:, :5])
    with pytest.raises(ValueError, match=r"A packet has \d+ words, but a row .* has only 20"):
        replace(packets, words=packets.words[:, :20])
