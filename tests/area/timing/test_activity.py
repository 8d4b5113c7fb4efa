"""Simulated netlists agree with the definition of a MAC, and energies with calculations by hand.

A simulation runs LANES independent streams of inputs at once. A net has one bit for each stream.
*Operands* are weights and activations of a model, from which the inputs are made.
"""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from halfbyte.area import load_technology
from halfbyte.area.cells.cell import Cell, FlipFlop
from halfbyte.area.cells.nldm import Table
from halfbyte.area.cells.technology import Technology
from halfbyte.area.netlists.modules import MAC
from halfbyte.area.netlists.netlist import Instance, Netlist, Register, read_netlist
from halfbyte.area.synthesis.recipes import QUICK
from halfbyte.area.synthesis.yosys import synthesize_rtlil
from halfbyte.area.timing.activity import LANES, Activity, simulate
from halfbyte.area.timing.delay import Timing, analyse_timing
from halfbyte.area.timing.energy import analyse_energy
from halfbyte.area.timing.operands import load_operands, operand_streams, shipped_operands
from halfbyte.base import UserError
from halfbyte.formats import load
from halfbyte.rtl import Mac, MacSpec, to_rtlil

NAMES = ("sky130hd", "sg13g2", "asap7")


@pytest.fixture(scope="module", params=NAMES)
def mac(request, tmp_path_factory) -> tuple[Technology, Netlist]:
    """A technology and the netlist of a MAC in it; ASAP7's flip-flop has an inverted output."""
    folder: Path = tmp_path_factory.mktemp(request.param)
    technology, fmt = load_technology(request.param), load("e2m1_sp")
    rtlil = to_rtlil(Mac(MacSpec(fmt, fmt, "exponent_shift", terms=16)))
    synthesize_rtlil(rtlil, technology, QUICK, folder)
    return technology, read_netlist(folder / "netlist.json", technology.cells, MAC)


def accumulated(fmt, streams):
    """The accumulator before each cycle, (cycles, 64), by the definition of a MAC.

    The streams repeat: the first cycle follows the last.
    """
    integers = np.array(fmt.integers)
    products = integers[streams["w"]] * integers[streams["a"]]
    total, states = np.zeros(LANES, np.int64), []
    for product, clear in zip(products, streams["clear"], strict=True):
        total = np.where(clear, 0, total) + product
        states.append(total)
    return np.roll(np.array(states), 1, axis=0)


@pytest.mark.yosys
@pytest.mark.parametrize("operands", [None, "minilm"])
def test_netlist_accumulates_in_every_stream(mac, operands):
    _, netlist = mac
    fmt = load("e2m1_sp")
    streams = operand_streams(load_operands(operands) if operands else None, fmt, fmt, 16)
    activity = simulate(netlist, streams)
    expected = accumulated(fmt, streams)
    lanes = np.arange(LANES, dtype=np.uint64)
    for bit, net in enumerate(netlist.outputs["acc"]):
        found = (activity.words[net][:, None] >> lanes) & np.uint64(1)
        assert np.array_equal(found, (expected >> bit) & 1), bit


@pytest.mark.yosys
def test_toggles_are_the_mean_changes_of_a_bit(mac):
    _, netlist = mac
    fmt = load("e2m1_sp")
    streams = operand_streams(None, fmt, fmt, 16)
    activity = simulate(netlist, streams)
    expected = accumulated(fmt, streams)
    for bit, net in enumerate(netlist.outputs["acc"]):
        bits = (expected >> bit) & 1
        assert activity.toggles(net) == pytest.approx(np.mean(bits != np.roll(bits, 1, axis=0)))


@pytest.mark.yosys
def test_streams_must_fit(mac):
    _, netlist = mac
    streams = dict(operand_streams(None, load("e2m1_sp"), load("e2m1_sp"), 16))
    with pytest.raises(ValueError, match=r"the ports \['a', 'clear', 'w'\], not \['a', 'w'\]"):
        simulate(netlist, {port: streams[port] for port in ("a", "w")})
    with pytest.raises(ValueError, match=r"the shape \(cycles, 64\)"):
        simulate(netlist, {**streams, "a": streams["a"][:5]})


@pytest.mark.yosys
def test_idle_operands_cost_only_the_energy_of_the_clock(mac):
    technology, netlist = mac
    streams = operand_streams(None, load("e2m1_sp"), load("e2m1_sp"), 16)
    idle = {port: np.zeros_like(codes) for port, codes in streams.items()}
    timing = analyse_timing(netlist, technology)
    still = analyse_energy(netlist, technology, timing, simulate(netlist, idle))
    busy = analyse_energy(netlist, technology, timing, simulate(netlist, streams))
    assert (still.internal, still.switching) == (0, 0)
    assert still.clock == busy.clock > 0
    assert busy.total > 1.2 * still.total


def test_energy_of_two_cells_by_hand(toy):
    inverter = Cell(
        "INV",
        1.0,
        2.0,
        {"A": 3.0},
        {"Y": "!A"},
        {"Y": {}},
        energies={"Y": {"A": Table.of([0, 100], [0, 10], [[1, 2], [3, 4]])}},
        input_energies={"A": Table.of([0, 100], [0.0], [[0.5], [1.5]])},
    )
    register = Cell(
        "DFF",
        9.0,
        5.0,
        {"D": 4.0, "CK": 1.0},
        {"Q": "IQ"},
        {"Q": {}},
        FlipFlop("D", "CK", "Q", False, (Table.constant(0), Table.constant(0))),
        energies={"Q": {"CK": Table.constant(10.0)}},
        input_energies={"CK": Table.constant(7.0), "D": Table.constant(0.25)},
    )
    state = register.flip_flop
    assert state
    netlist = Netlist(
        {"a": (2,)},
        {"q": (4,)},
        1,
        [Instance("u", inverter, {"A": 2, "Y": 3})],
        [Register("r", register, {"D": 3, "CK": 1, "Q": 4}, state)],
    )
    # All three nets rise in the last of four cycles and fall in the first, in all streams.
    words = np.array([0, 0, 0, 2**LANES - 1], np.uint64)
    activity = Activity(dict.fromkeys((2, 3, 4), words), 4)
    assert activity.toggles(3) == 2 / 4
    timing = Timing(0.0, 0.0, (), "", {2: 50.0, 3: 20.0, 4: 0.0}, 30.0)
    energy = analyse_energy(netlist, toy, timing, activity)  # the toy technology has 2 V
    inside_inverter = 1.0 + (2 + 0.4)  # input A alone at 50 ps; then Y at 50 ps, 4 fF
    inside_register = 0.25 + 10
    assert energy.internal == pytest.approx(0.5 * (inside_inverter + inside_register))
    assert energy.switching == pytest.approx(0.5 * 2.0 * (3 + 4))  # half of C V^2; q drives nothing
    assert energy.clock == pytest.approx(2 * (7 + 2.0 * 1))
    assert netlist.leakage == 7


def test_energies_need_a_voltage_and_tables(toy):
    timing, activity = Timing(0.0, 0.0, (), "", {2: 30.0}, 30.0), Activity({}, 1)
    empty = Netlist({}, {}, None, [], [])
    with pytest.raises(UserError, match="does not state its supply voltage"):
        analyse_energy(empty, replace(toy, voltage=None), timing, activity)
    bare = replace(toy.inverter, energies={}, input_energies={})
    netlist = Netlist({}, {}, None, [Instance("u", bare, {"A": 2, "Y": 3})], [])
    with pytest.raises(UserError, match="INV: the library states no internal energies"):
        analyse_energy(netlist, toy, timing, activity)
    others = replace(toy, cells={name: _silent(cell) for name, cell in toy.cells.items()})
    still = Activity({2: np.zeros(1, np.uint64), 3: np.zeros(1, np.uint64)}, 1)
    assert analyse_energy(netlist, others, timing, still).total == 0


def _silent(cell):
    """The cell without any table of internal energies."""
    return replace(cell, energies={}, input_energies={})


def test_operands_are_encoded_as_in_the_golden_model():
    torch = pytest.importorskip("torch")
    from halfbyte.golden import encode

    operands = load_operands("minilm")
    for name in ("int4", "e2m1_sp", "sf4", "e4m3"):
        fmt = load(name)
        codes = operands.codes(fmt, fmt)
        for port, values in (("w", operands.weights), ("a", operands.activations)):
            scaled = torch.from_numpy(values / 32767 * float(fmt.max_value))
            expected = encode(scaled, fmt).numpy()  # layers, rows, terms
            for lane in range(LANES):
                layer, rest = divmod(lane, 16)
                row = rest // 4 if port == "w" else rest % 4
                assert np.array_equal(codes[port][:, lane], expected[layer, row]), (name, lane)


def test_a_new_sum_begins_after_the_given_number_of_terms():
    fmt = load("int4")
    assert operand_streams(None, fmt, fmt, 100)["clear"][:, 5].nonzero()[0].tolist() == [
        0,
        100,
        200,
    ]
    assert operand_streams(None, fmt, fmt, 5000)["clear"].sum(axis=0).tolist() == [1] * LANES


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 no zip", b"\x93NUMPY", None])
def test_a_file_without_operands_is_a_user_error(tmp_path, content):
    path = tmp_path / "x.npz"
    if content is None:
        np.savez(path, weights=np.zeros((2, 2), np.int16), activations=np.zeros(1, np.int16))
    else:
        path.write_bytes(content)
    with pytest.raises(UserError, match="is not a file that `halfbyte operands` wrote"):
        load_operands(str(path))
    with pytest.raises(UserError, match=r"there is no file 'nope'"):
        load_operands("nope")


@pytest.mark.model
@pytest.mark.parametrize("name", ["minilm", "bytelm"])
def test_shipped_operands_are_what_the_command_writes(name):
    from halfbyte.pareto.operands import collect_operands

    assert shipped_operands() == ["minilm", "bytelm"]
    shipped, fresh = load_operands(name), collect_operands(name)
    assert np.array_equal(shipped.weights, fresh.weights)
    # Activations are floating-point sums, which differ slightly between machines.
    difference = np.abs(shipped.activations.astype(int) - fresh.activations)
    assert difference.max() <= 8
