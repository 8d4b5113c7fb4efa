"""Glitches: outputs of gates that change more than once in a cycle.

The tests use chains of gates with a known number of pulses, and MACs. The MACs' transitions are
compared with Icarus Verilog, an event-driven simulator.
"""

import re
import shutil
import subprocess
from dataclasses import replace

import numpy as np
import pytest

from halfbyte.area import load_technology
from halfbyte.area.netlists.netlist import Instance, Netlist, read_netlist
from halfbyte.area.synthesis.recipes import QUICK
from halfbyte.area.synthesis.yosys import MAC, synthesize_rtlil
from halfbyte.area.timing.activity import LANES, Activity, simulate
from halfbyte.area.timing.delay import analyse_timing
from halfbyte.area.timing.energy import analyse_energy
from halfbyte.area.timing.glitches import Delays, cell_delays, delayed_switching
from halfbyte.area.timing.operands import load_operands, operand_streams, shipped_operands
from halfbyte.formats import load
from halfbyte.rtl import Mac, MacSpec, to_rtlil

ICARUS = shutil.which("iverilog")


@pytest.fixture(scope="module")
def technology():
    return load_technology("sg13g2")


def gate(toy, name, cell, **pins):
    """A cell of the toy technology; ``pins`` gives the number of the net at each pin."""
    return Instance(name, toy.cells[cell], pins)


def race(toy, length):
    """A circuit for ``y = x ^ x``, in which one ``x`` passes an even number of inverters."""
    chain = [
        gate(toy, f"i{place}", "INV", A=2 if place == 0 else 9 + place, Y=10 + place)
        for place in range(length)
    ]
    last = gate(toy, "u", "XOR2", A=2, B=9 + length, Y=3)
    return Netlist({"x": (2,)}, {"y": (3,)}, None, [*chain, last], [])


def toggling(netlist):
    """The circuit's activity without delays, if its input changes in every cycle."""
    streams = np.zeros((8, LANES), np.uint8)
    streams[::2] = 1
    return simulate(netlist, {"x": streams})


@pytest.mark.parametrize(("length", "pulses"), [(0, 0), (2, 1), (12, 1), (40, 1)])
def test_a_race_makes_a_pulse(toy, length, pulses):
    netlist = race(toy, length)
    if not length:
        netlist = replace(netlist, gates=[gate(toy, "u", "XOR2", A=2, B=2, Y=3)])
    timing, activity = analyse_timing(netlist, toy), toggling(netlist)
    switching = delayed_switching(netlist, timing, activity)
    assert activity.toggles(3) == 0
    assert switching.transitions[3] == 2 * pulses
    assert switching.transitions[2] == 1
    # A change costs 2 fJ inside each inverter, and 2 fJ per fF of input capacitance: 2 fF for an
    # inverter, and 4 fF for each input of the XOR.
    settled = (2 + 2 * 2) * length + 2 * (4 + 4)
    assert analyse_energy(netlist, toy, timing, activity).total == settled
    # The XOR takes 6 fJ for each change of its output, which has no load.
    energy = analyse_energy(netlist, toy, timing, switching).total
    assert energy == settled + 2 * 6 * pulses


def test_a_pulse_has_two_causes(toy):
    netlist = race(toy, 40)
    switching = delayed_switching(netlist, analyse_timing(netlist, toy), toggling(netlist))
    assert switching.caused["u", "Y", "A"] == 1  # the direct input starts a pulse, and B ends it
    assert switching.caused["u", "Y", "B"] == 1


def test_values_that_the_circuit_cannot_have_are_noticed(toy):
    netlist = race(toy, 2)
    activity = toggling(netlist)
    wrong = {**activity.words, 3: ~activity.words[3]}
    with pytest.raises(AssertionError, match="do not settle at the values"):
        delayed_switching(netlist, analyse_timing(netlist, toy), Activity(wrong, activity.cycles))


MACS = [("int4", "sign_magnitude"), ("apot4", "shift_add")]


@pytest.fixture(scope="module", params=MACS, ids=lambda mac: mac[0])
def mac(request, technology, tmp_path_factory):
    """A MAC's netlist, its timing, its input streams from the shipped operands, and its folder."""
    name, architecture = request.param
    fmt = load(name)
    folder = tmp_path_factory.mktemp(name)
    spec = MacSpec(fmt, fmt, architecture)
    synthesize_rtlil(to_rtlil(Mac(spec)), technology, QUICK, folder)
    netlist = read_netlist(folder / "netlist.json", technology.cells, MAC)
    streams = operand_streams(load_operands(shipped_operands()[0]), fmt, fmt, spec.terms)
    return netlist, analyse_timing(netlist, technology), streams, folder


@pytest.mark.yosys
def test_macs_cost_more_with_glitches(mac, technology):
    netlist, timing, streams, _ = mac
    activity = simulate(netlist, streams)
    settled = analyse_energy(netlist, technology, timing, activity)
    whole = analyse_energy(
        netlist, technology, timing, delayed_switching(netlist, timing, activity)
    )
    assert 1.02 < whole.total / settled.total < 1.5
    assert whole.clock == settled.clock


PERIOD_FS = 20_000_000  # 20 ns, longer than any delay


def slowest(instance, output, netlist, timing):
    """The delays of an output, by input; all inputs get the longest delay."""
    found = cell_delays(instance, output, netlist, timing)
    longest = Delays(*(max(edges) for edges in zip(*found.values(), strict=True)))
    return dict.fromkeys(found, longest)


def follows(output, function, found):
    """Verilog of an output whose delay depends on the input that changed.

    The output has at most one pending change, which is cancelled if the inputs change back.
    """
    wait = "".join(
        f" if ({source} !== was_{output}_{source} && after_{output} > (next_{output} ? {last.rise}"
        f" : {last.fall})) after_{output} = next_{output} ? {last.rise} : {last.fall};"
        for source, last in found.items()
    )
    keep = " ".join(f"was_{output}_{source} = {source};" for source in found)
    return (
        f"reg y_{output}, next_{output}, pending_{output} = 0; integer after_{output};"
        f" event start_{output}; reg {', '.join(f'was_{output}_{source}' for source in found)};"
        f" assign {output} = y_{output};"
        f" always @({' or '.join(found)}) begin next_{output} = {function};"
        f" if (next_{output} === y_{output}) begin disable wait_{output}; pending_{output} = 0; end"
        f" else if (!pending_{output}) begin after_{output} = {PERIOD_FS};{wait}"
        f" pending_{output} = 1; -> start_{output}; end {keep} end"
        f" always @(start_{output}) begin : wait_{output} #(after_{output})"
        f" y_{output} = next_{output}; pending_{output} = 0; end"
    )


def bench(netlist, timing, streams, delays=cell_delays):
    """A Verilog test bench: the netlist, a module with delays for each cell, and the inputs.

    One stream runs twice, and only the second run counts. At its start, the registers hold their
    values after the last cycle, as in our simulation. With :func:`slowest`, an output has
    the same delays for all inputs, so a continuous assignment can model them. Otherwise
    :func:`follows` does. Icarus' own module paths are not suitable: they drop a single short
    pulse but let a series of pulses pass.
    """
    name = {"0": "1'b0", "1": "1'b1", netlist.clock: "clk"}
    for nets in netlist.inputs.values():
        name |= {net: f"n{net}" for net in nets}
    modules, instances = [], []
    for place, each in enumerate((*netlist.gates, *netlist.registers)):
        name |= {net: f"n{net}" for net in each.outputs.values()}
        pins = {pin: each.pins[pin] for pin in (*each.cell.inputs, *each.outputs)}
        ports = [f"{'output' if pin in each.outputs else 'input'} {pin}" for pin in pins]
        logic = []
        for output in each.outputs:
            found, function = delays(each, output, netlist, timing), each.cell.outputs[output]
            last = next(iter(found.values()))
            logic.append(
                f"assign #({last.rise}, {last.fall}) {output} = {function};"
                if delays is slowest
                else follows(output, function, found)
            )
        body = " ".join(logic)
        if each.cell.flip_flop:
            state = each.state
            mark = "!" if state.inverted else ""
            body = (
                f"reg s; always @(posedge {state.clock}) s <= {state.data};"
                f"assign #({last.rise}, {last.fall}) {state.output} = {mark}s;"
            )
        modules.append(f"module c{place} ({', '.join(ports)}); {body} endmodule")
        connected = ", ".join(f".{pin}({name.get(net, f'n{net}')})" for pin, net in pins.items())
        instances.append(f"c{place} u{place} ({connected});")
    wires = sorted({each for each in name.values() if each.startswith("n")})
    cycles = len(next(iter(streams.values())))
    steps = [
        " ".join(
            f"n{net} = {int(streams[port][step % cycles, 0]) >> bit & 1};"
            for port, nets in netlist.inputs.items()
            for bit, net in enumerate(nets)
        )
        for step in range(2 * cycles + 1)
    ]
    inputs = [f"n{net}" for nets in netlist.inputs.values() for net in nets]
    driven = [wire for wire in wires if wire not in inputs]
    half = PERIOD_FS // 2
    return "\n".join(
        [
            "`timescale 1fs/1fs",
            *modules,
            "module top; reg clk = 0;",
            f"reg {', '.join(inputs)}; wire {', '.join(driven)};",
            *instances,
            "initial begin",
            *(f"{step} #{half} clk = 0; #{half} clk = 1;" for step in steps[:-1]),
            "$finish; end",
            f"initial begin #{cycles * PERIOD_FS} $dumpfile(\"top.vcd\"); $dumpvars(1, top); end",
            "endmodule",
        ]
    )  # fmt: skip


def changes(text):
    """How often each net changes in a VCD file, by name; the initial values do not count."""
    names = dict(re.findall(r"\$var \w+ 1 (\S+) (\w+)", text))
    _, _, later = text.partition("$end\n#")[2].partition("$dumpvars")[2].partition("$end")
    counts = dict.fromkeys(names.values(), 0)
    for symbol in re.findall(r"^[01x](\S+)$", later, re.MULTILINE):
        counts[names[symbol]] += 1
    return counts


def compared(mac, delays):
    """Transitions of the gates' outputs in one stream, by net, from three simulations.

    These are ours without delays, ours with delays, and Icarus Verilog.
    """
    netlist, timing, streams, folder = mac
    (folder / "top.v").write_text(bench(netlist, timing, streams, delays))
    for command in ([ICARUS, "-o", "top.vvp", "top.v"], ["vvp", "-n", "top.vvp"]):
        subprocess.run(command, cwd=folder, check=True, timeout=120, capture_output=True)
    seen = changes((folder / "top.vcd").read_text())
    one = {port: np.repeat(codes[:, :1], LANES, axis=1) for port, codes in streams.items()}
    activity = simulate(netlist, one)
    ours = delayed_switching(netlist, timing, activity).transitions
    driven = [net for each in netlist.gates for net in each.outputs.values()]
    return (
        {net: round(activity.toggles(net) * activity.cycles) for net in driven},
        {net: round(ours[net] * activity.cycles) for net in driven},
        {net: seen[f"n{net}"] for net in driven},
    )


@pytest.mark.yosys
@pytest.mark.skipif(ICARUS is None, reason="Icarus Verilog is not installed")
def test_transitions_are_those_of_an_event_driven_simulator(mac, monkeypatch):
    monkeypatch.setattr("halfbyte.area.timing.glitches.cell_delays", slowest)
    settled, counted, expected = compared(mac, slowest)
    assert counted == expected
    assert sum(counted.values()) > 1.05 * sum(settled.values())


@pytest.mark.yosys
@pytest.mark.skipif(ICARUS is None, reason="Icarus Verilog is not installed")
def test_transitions_with_delays_by_input_are_those_of_an_event_driven_simulator(mac):
    settled, counted, expected = compared(mac, cell_delays)
    assert counted == expected
    assert sum(counted.values()) > 1.05 * sum(settled.values())
