"""Our delays and energies agree with OpenSTA's, on the full libraries.

The tests run only where OpenSTA is installed. They write a netlist for OpenSTA in which all nets
have known names. They also write a copy of the library for OpenSTA that matches our analysis: it
has no wire loads, and only one capacitance of each pin for both edges.
"""

import gzip
import re
import shutil
import subprocess
from dataclasses import replace
from functools import cache
from pathlib import Path
from statistics import fmean
from typing import NamedTuple

import numpy as np
import pytest

from halfbyte.area import load_technology
from halfbyte.area.cells.technology import Technology
from halfbyte.area.netlists.modules import MAC
from halfbyte.area.netlists.netlist import Netlist, read_netlist
from halfbyte.area.synthesis.recipes import QUICK
from halfbyte.area.synthesis.yosys import synthesize_rtlil
from halfbyte.area.timing.activity import Activity
from halfbyte.area.timing.delay import analyse_timing
from halfbyte.area.timing.energy import analyse_energy
from halfbyte.formats import load
from halfbyte.rtl import Mac, MacSpec, to_rtlil

pytestmark = [
    pytest.mark.yosys,
    pytest.mark.slow,
    pytest.mark.skipif(
        shutil.which("sta") is None,
        reason="OpenSTA is not installed (Debian package opensta; the command `sta`)",
    ),
]

PERIOD_PS = 100_000.0
# One picosecond in the library's own unit of time.
PS = {"sky130hd": 1e-3, "sg13g2": 1e-3, "asap7": 1.0}
UNITS = [
    (technology, name, architecture)
    for technology in PS
    for name, architecture in (
        ("int4", "sign_magnitude"),
        ("e2m1_sp", "exponent_shift"),
        ("apot4", "shift_add"),
    )
]
_WIRE_LOADS = re.compile(
    r"default_wire_load\w*\s*:[^;]*;|wire_load_selection\s*\([^)]*\)\s*\{[^}]*\}"
)


class Case(NamedTuple):
    """The netlist of a MAC, with our technology and the changed libraries for OpenSTA."""

    technology: Technology
    netlist: Netlist
    folder: Path
    libraries: list[Path]


_PIN = re.compile(r"(?=\bpin ?\()")
_RANGE = re.compile(r"(?:rise|fall)_capacitance_range ?\(([^)]*)\) ?;?")
_CAPACITANCE = re.compile(r"((?:\b|rise_|fall_)capacitance) ?: ?\"?([-+.\deE]+)\"?")


def one_capacitance(pin: str) -> str:
    """A pin's group with one capacitance.

    It is the mean of the upper ends of both edges' ranges. Without ranges, it is the stated one.
    """
    upper = [float(each.strip(' "').split(",")[1]) for each in _RANGE.findall(pin)]
    if not upper:
        edges = dict(_CAPACITANCE.findall(pin))
        upper = [float(edges["capacitance"])] if "capacitance" in edges else []
    if not upper:
        return pin
    return _CAPACITANCE.sub(rf"\1 : {fmean(upper):.7g}", _RANGE.sub("", pin))


@cache
def libraries(technology: str, files: tuple[Path, ...], folder: Path) -> list[Path]:
    """The full library without wire loads, and with one capacitance for each pin."""
    written = []
    for path in files:
        text = gzip.decompress(path.read_bytes()).decode()
        written.append(folder / path.stem)
        head, *pins = _PIN.split(_WIRE_LOADS.sub("", text))
        written[-1].write_text(head + "".join(map(one_capacitance, pins)))
    return written


@pytest.fixture(scope="module", params=UNITS, ids=lambda unit: "-".join(unit[:2]))
def case(request, full_library, library_files, tmp_path_factory):
    name, fmt, architecture = request.param
    folder = tmp_path_factory.mktemp(f"{name}-{fmt}")
    library = full_library(name)
    card = load_technology(name)
    whole = replace(card, cells=library.cells, strengths=frozenset())
    unit = load(fmt)
    rtlil = to_rtlil(Mac(MacSpec(unit, unit, architecture)))
    synthesize_rtlil(rtlil, card, QUICK, folder)
    netlist = read_netlist(folder / "netlist.json", whole.cells, MAC)
    shared = tmp_path_factory.getbasetemp()
    return Case(whole, netlist, folder, libraries(name, tuple(library_files(name)), shared))


def verilog(netlist):
    """The netlist with gates g0, g1, ... and nets n2, n3, ...; ports keep their names."""
    names = {"0": "1'b0", "1": "1'b1", netlist.clock: "clk"}
    for port, nets in netlist.inputs.items():
        for bit, net in enumerate(nets):
            names[net] = f"{port}[{bit}]" if len(nets) > 1 else port

    def net(number):
        return names.get(number, f"n{number}")

    def declared(direction, ports):
        for port, nets in ports.items():
            yield (
                f"{direction} [{len(nets) - 1}:0] {port};"
                if len(nets) > 1
                else (f"{direction} {port};")
            )

    lines = [f"module mac(clk, {', '.join((*netlist.inputs, *netlist.outputs))});", "input clk;"]
    lines += [*declared("input", netlist.inputs), *declared("output", netlist.outputs)]
    for place, instance in enumerate((*netlist.gates, *netlist.registers)):
        pins = ", ".join(f".{pin}({net(number)})" for pin, number in instance.pins.items())
        lines.append(f"{instance.cell.name} g{place} ({pins});")
    for port, nets in netlist.outputs.items():
        lines += [f"assign {port}[{bit}] = {net(number)};" for bit, number in enumerate(nets)]
    return "\n".join([*lines, "endmodule"]) + "\n"


def run_sta(case, slew_ps, *commands):
    """What OpenSTA prints; ``slew_ps`` is the slew of the inputs and the clock."""
    (case.folder / "flat.v").write_text(verilog(case.netlist))
    unit = PS[case.technology.name]
    inputs = "[list " + " ".join(f"[get_ports {port}*]" for port in case.netlist.inputs) + "]"
    script = [
        *(f"read_liberty {path}" for path in case.libraries),
        f"read_verilog {case.folder / 'flat.v'}",
        "link_design mac",
        f"create_clock -name clk -period {PERIOD_PS * unit} clk",
        f"set_clock_transition {slew_ps * unit} [get_clocks clk]",
        f"foreach port {inputs} {{ set_input_delay 0 -clock clk $port }}",
        f"foreach port {inputs} {{ set_input_transition {slew_ps * unit} $port }}",
        *commands,
        "exit",
    ]
    path = case.folder / "check.tcl"
    path.write_text("\n".join(script) + "\n")
    done = subprocess.run(
        [shutil.which("sta") or "sta", "-no_splash", "-exit", str(path)],
        cwd=case.folder,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert "Error" not in done.stdout, done.stdout[-2000:]
    return done.stdout


def test_delay_is_that_of_opensta(case):
    timing = analyse_timing(case.netlist, case.technology)
    output = run_sta(case, timing.slew_ps, "report_checks -path_delay max -digits 5")
    slack = float(re.search(r"([-\d.]+)\s+slack", output)[1]) / PS[case.technology.name]
    assert timing.delay_ps == pytest.approx(PERIOD_PS - slack, rel=0.001)


RATE = 0.1  # transitions of each net in a clock cycle


def test_energy_is_within_ten_percent(case):
    """Energies agree if all nets have the same activity.

    Debian's OpenSTA (2.0.17) accepts only an activity that is the same for all nets. It reads no
    internal energies from sky130's file. For SG13G2's file, it adds up the energy for all states
    and the energies for each state. So internal energies are compared only for ASAP7, and there
    only for flip-flops: for a gate with several inputs, OpenSTA adds the energies of all inputs,
    although only one input makes the output change. OpenSTA uses the upper end of a range of
    capacitances, and so does this test.
    """
    technology = replace(
        case.technology,
        cells={
            name: replace(cell, inputs={pin: cell.late_capacitance(pin) for pin in cell.inputs})
            for name, cell in case.technology.cells.items()
        },
    )
    netlist = read_netlist(case.folder / "netlist.json", technology.cells, MAC)
    timing = analyse_timing(netlist, technology)
    output = run_sta(
        case,
        timing.slew_ps,
        f"set_power_activity -global -activity {RATE}",
        "report_power -digits 8",
    )
    rows = {
        line.split()[0]: [float(figure) for figure in line.split()[1:4]]
        for line in output.splitlines()
        if line.startswith(("Sequential", "Combinational", "Total"))
    }
    to_fj = PERIOD_PS * 1e-12 * 1e15
    # Only nets that a cell drives: OpenSTA counts no energy for input ports.
    words = np.zeros(round(2 / RATE), np.uint64)
    words[0] = 2**64 - 1  # one rise and one fall in all cycles together
    driven = [net for each in (*netlist.gates, *netlist.registers) for net in each.outputs.values()]
    activity = Activity(dict.fromkeys(driven, words), len(words))
    energy = analyse_energy(netlist, technology, timing, activity)
    assert energy.switching == pytest.approx(rows["Total"][1] * to_fj, rel=0.1)
    if technology.name == "asap7":
        registers = replace(netlist, gates=[])
        inside = analyse_energy(registers, technology, timing, activity)
        pins = sum(each.cell.inputs[each.state.clock] for each in netlist.registers)
        clock_inside = inside.clock - technology.voltage**2 * pins
        assert inside.internal + clock_inside == pytest.approx(
            rows["Sequential"][0] * to_fj, rel=0.1
        )
