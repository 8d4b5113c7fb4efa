"""Runs the regression of the MACs on a user's own RTL, the device under test (DUT).

A regression simulates a MAC in several scenarios and compares all sums with the golden model.
"""

import re
import subprocess
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from halfbyte.base import ToolError, UserError
from halfbyte.base.errors import printable
from halfbyte.rtl import MacSpec
from halfbyte.sim.plan import Layout
from halfbyte.sim.process import Processes
from halfbyte.sim.records import DutRecord
from halfbyte.sim.runner import CYCLES, new_seed, simulate_macs
from halfbyte.sim.simulator import check_simulator, clean_environment, verilator_root
from halfbyte.sim.wrapper import TIMESCALE, TOP, layout_of, top_verilog

__all__ = ["MAX_LATENCY", "Dut", "run_dut"]

MAX_LATENCY = 64
_IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_$]{0,199}")
_WRONG_WIDTH = re.compile(
    r"%Warning-WIDTH\w*: .*?port connection '(\w+)' expects (\d+) bits? on the pin connection, "
    r"but .*? generates (\d+) bits?"
)
_MISSING_PIN = re.compile(r"%Warning-PINMISSING: .*?missing pin: '([^']+)'")
# The first error, and the source line that it points to.
_ERROR = re.compile(r"%Error(?:-\w+)?: (?:bench\.v:\d+:\d+: )?(.*)(?:\n +\d+ \| (.*))?")
_UNKNOWN_PIN = re.compile(r"%Error-PINNOTFOUND: .*?Pin not found: '([^']+)'")


@dataclass(frozen=True)
class Dut:
    """A MAC in a user's own Verilog.

    Parameters
    ----------
    sources : tuple of Path
        Files of Verilog or SystemVerilog, in the order in which they are read.
    top : str
        The module of the MAC.
    ports : mapping of str to str
        The module's own names for the ports clk, w, a, clear, enable and acc. A port that is not
        listed has the same name in the module.
    tied : mapping of str to int
        Other inputs, such as a reset. All bits of an input are held at this value, 0 or 1.
    latency : int
        Clock edges from an input to the ``acc`` that includes it. It is 1 if ``acc`` is the
        accumulator register, and the inputs are not registered.

    Raises
    ------
    UserError
        A port is unknown, a name is not a plain Verilog name, or a number is out of range.
    """

    sources: tuple[Path, ...]
    top: str
    ports: Mapping[str, str] = field(default_factory=dict)
    tied: Mapping[str, int] = field(default_factory=dict)
    latency: int = 1

    def __post_init__(self) -> None:
        known = ("clk", "w", "a", "clear", "enable", "acc")
        unknown = [name for name in self.ports if name not in known]
        if unknown:
            raise UserError(f"A MAC has the ports {', '.join(known)}, not {unknown[0][:60]!r}")
        for name in (self.top, *self.ports.values(), *self.tied):
            if not _IDENTIFIER.fullmatch(name):
                raise UserError(f"A module or port needs a plain Verilog name, not {name[:60]!r}")
        for name, value in self.tied.items():
            if value not in (0, 1):
                raise UserError(f"Input {name} can be tied only to 0 or 1, not to {value!r:.60}")
        if not 1 <= self.latency <= MAX_LATENCY:
            raise UserError(f"Latency must be 1 to {MAX_LATENCY} clock edges, not {self.latency}")

    def verilog(self, spec: MacSpec, module: str) -> str:
        """The text of the sources, and of a module that wraps the MAC.

        The wrapper is called ``module`` and has the ports that the bench expects.
        """
        widths = {"w": spec.weight.bits, "a": spec.activation.bits, "clear": 1}
        widths |= {"enable": 1} if spec.enable else {}
        inputs = ["input clk", *(f"input [{width - 1}:0] {name}" for name, width in widths.items())]
        pins = [f".{self.ports.get(name, name)}({name})" for name in ("clk", *widths, "acc")]
        # A signed constant is extended to the width of the port. Icarus 11 extends '1 by zeros.
        pins += [f".{name}(1'sb{value})" for name, value in self.tied.items()]
        shell = (
            f"module {module} ({', '.join(inputs)}, output signed [{spec.width - 1}:0] acc);\n"
            f"  {self.top} dut ({', '.join(pins)});\nendmodule\n"
        )
        texts = [path.read_text(encoding="utf-8", errors="replace") for path in self.sources]
        return "\n".join([*texts, shell])


def run_dut(
    spec: MacSpec,
    dut: Dut,
    *,
    simulator: str = "verilator",
    waves: bool = False,
    seed: int | None = None,
    cycles: int = CYCLES,
    junit: Path | None = None,
    processes: Processes | None = None,
) -> DutRecord:
    """Simulate a user's MAC against the golden model; return the record, with its coverage.

    Parameters
    ----------
    spec : MacSpec
        Formats, terms, width, overflow and enable port of the MAC. The architecture is ignored.
    dut : Dut
        The user's MAC.
    junit : Path, optional
        Where to write the results as JUnit XML, even if the simulation fails.
    simulator, waves, seed, cycles, processes
        The same as for :func:`halfbyte.sim.run_regression`.

    Raises
    ------
    SimulationError
        The MAC differs from the golden model, or fewer products were checked than planned.
    UserError
        The simulator is unknown, the Verilog has an error, or the ports do not match ``spec`` and
        ``dut``. The message names the first error or difference.
    ToolError
        A tool is missing or fails.
    """
    check_simulator(simulator)
    seed = new_seed() if seed is None else seed
    macs = {"dut": spec}
    title = f"{dut.top}, {spec.weight.name} x {spec.activation.name}"
    layout: Layout = replace(layout_of(macs, title=title, seed=seed), latency=dut.latency)
    (port,) = layout.fields
    verilog = "\n".join([TIMESCALE, dut.verilog(spec, port.name), top_verilog(layout)])
    _check_ports(verilog, dut)
    record = simulate_macs(
        macs,
        layout,
        verilog,
        name=f"dut-{dut.top.lower()}",
        simulator=simulator,
        waves=waves,
        cycles=cycles,
        processes=processes,
        junit=junit,
    )
    return DutRecord(
        **{**vars(record), "level": "dut", "architecture": None},
        module=dut.top,
        latency=dut.latency,
    )


def _check_ports(verilog: str, dut: Dut) -> None:
    """Let Verilator's lint check the ports, since a simulation accepts wrong widths silently."""
    root = verilator_root()
    with tempfile.TemporaryDirectory(prefix="halfbyte-dut-") as temporary:
        (Path(temporary) / "bench.v").write_text(verilog)
        command = [str(root / "bin" / "verilator_bin"), "--lint-only", "-Wall", "-Wno-fatal"]
        command += ["--timing", "--top-module", TOP, "bench.v"]
        environment = clean_environment(VERILATOR_ROOT=str(root))
        done = subprocess.run(
            command, cwd=temporary, env=environment, capture_output=True, text=True
        )
    unknown = _UNKNOWN_PIN.search(done.stderr)
    if unknown:
        ours = {theirs: name for name, theirs in dut.ports.items()}.get(unknown[1], unknown[1])
        remedy = (
            f"leave out --tie {unknown[1]}={dut.tied[unknown[1]]}"
            if unknown[1] in dut.tied
            else f"say what it is called, as in --port {ours}=NAME"
        )
        raise UserError(f"Module {dut.top} has no port {unknown[1]}: {remedy}")
    if f"module: '{dut.top}'" in done.stderr:
        files = ", ".join(path.name for path in dut.sources)
        raise UserError(
            f"There is no module {dut.top} in {files}: name the MAC's module with --top"
        )
    if wrong := _ERROR.search(done.stderr):
        files = ", ".join(path.name for path in dut.sources)
        where = f" at {printable(wrong[2].strip())[:80]!r}" if wrong[2] else ""
        raise UserError(f"Verilator cannot read {files}: {wrong[1]}{where}")
    if done.returncode:
        raise ToolError(f"Verilator cannot read {dut.top}", command, done.stderr)
    names = {dut.ports.get(name, name) for name in ("clk", "w", "a", "clear", "enable", "acc")}
    for name, wanted, given in _WRONG_WIDTH.findall(done.stderr):
        if name in names:
            raise UserError(
                f"Port {name} of {dut.top} has {wanted} bits, but with the given formats and "
                f"accumulator it needs {given}"
            )
    missing = _MISSING_PIN.search(done.stderr)
    if missing:
        raise UserError(
            f"Port {missing[1]} of {dut.top} is not connected: name it with --port, or hold it "
            f"with --tie {missing[1]}=0"
        )
