"""Writes the files of a finished MAC: netlist, RTL, constraints and report."""

import re
from dataclasses import replace
from pathlib import Path

from halfbyte.area.cells.technology import Technology
from halfbyte.area.netlists.modules import MAC
from halfbyte.area.search.records import SynthesisRecord
from halfbyte.area.search.synthesis_jobs import netlist_path
from halfbyte.area.timing.delay import typical_slew
from halfbyte.base import UserError, json_text, write_atomically
from halfbyte.rtl import MacSpec, to_verilog

__all__ = ["deliver", "synthesized_spec"]

_SDC = """\
# Constraints of {name}, written by halfbyte: {what}.
# Times are in the unit of {library}: {unit:g} ps.
create_clock -name clk -period {period:.7g} [get_ports clk]
set_clock_transition {slew:.7g} [get_clocks clk]
set inputs [get_ports {{{inputs}}}]
set_input_delay 0 -clock clk $inputs
set_input_transition {slew:.7g} $inputs
set_output_delay 0 -clock clk [get_ports {{acc[*]}}]
"""
# A carry-save accumulator keeps carries in registers. A final adder adds these carries to get
# ``acc``, and may need several cycles.
_SLOW_SUM = """\
set_multicycle_path {cycles} -setup -to [get_ports {{acc[*]}}]
set_multicycle_path {less} -hold -to [get_ports {{acc[*]}}]
"""


def synthesized_spec(design: MacSpec, record: SynthesisRecord) -> MacSpec:
    """``design`` with the architecture and the carry-save segments that synthesis chose."""
    return replace(design, architecture=record.architecture, segment=record.segment)


def deliver(
    design: MacSpec, record: SynthesisRecord, technology: Technology, folder: Path
) -> dict[str, Path]:
    """Write the MAC of a synthesis record into ``folder``; returns the files by kind.

    ``netlist`` and ``rtl`` have modules of the same name and ports. ``constraints`` (SDC) is for
    timing analysis and for place and route. ``report`` is the record. File names contain formats,
    architecture and width; all except that of ``rtl`` also contain technology, recipe and, if there
    is one, clock. Raises UserError if the record does not name a netlist, or if there is neither a
    clock nor a delay to write constraints from.
    """
    spec = synthesized_spec(design, record)
    if record.netlist is None:
        raise UserError(f"There is no netlist of {spec.name} to write: its record names no file")
    words = [spec.name, technology.name]
    words += [f"{record.clock_ps:g}ps".replace(".", "p")] if record.clock_ps else []
    name = "_".join([*words, record.recipe])
    netlist = netlist_path(record.netlist).read_text()
    files = {
        "netlist": (f"{name}.v", _renamed(netlist, spec.name)),
        "rtl": (f"{spec.name}.v", to_verilog(spec.component(), spec.name)),
        "constraints": (f"{name}.sdc", _constraints(spec, record, technology)),
        "report": (f"{name}.json", json_text([record.as_json()], indent=2) + "\n"),
    }
    for file, text in files.values():
        write_atomically(folder / file, text)
    return {kind: folder / file for kind, (file, _) in files.items()}


def _renamed(netlist: str, name: str) -> str:
    return re.sub(rf"^module {MAC}\b", f"module {name}", netlist, count=1, flags=re.MULTILINE)


def _constraints(spec: MacSpec, record: SynthesisRecord, technology: Technology) -> str:
    """SDC text with the requested clock, or else the shortest period that the netlist meets."""
    clock, delay = record.clock_ps, record.delay_ps
    if clock is not None:
        what, period = f"the clock of {clock:,g} ps that was asked for", clock
    elif delay is not None:
        what, period = "the least period, since no clock was asked for", delay
    else:
        raise UserError(
            f"{technology.name} has no delays, so there is no clock to write constraints for: "
            "use a library with timing tables"
        )
    inputs = ["w[*]", "a[*]", "clear", *(["enable"] if spec.enable else [])]
    unit = technology.time_unit_ps
    text = _SDC.format(
        name=spec.name,
        what=what,
        library=technology.title,
        unit=unit,
        period=period / unit,
        slew=typical_slew(technology) / unit,
        inputs=" ".join(inputs),
    )
    cycles = record.acc_cycles or 1
    return text + (_SLOW_SUM.format(cycles=cycles, less=cycles - 1) if cycles > 1 else "")
