"""Builds a simulation from Verilog text. Text that was built before is not built again."""

import os
import shutil
import sys
import tempfile
from pathlib import Path

from halfbyte.base import ToolError, content_key
from halfbyte.sim.compiled_files import MAKEFILE, cache_folder, publish, shared_files
from halfbyte.sim.process import Processes
from halfbyte.sim.simulator import (
    clean_environment,
    cocotb_libraries,
    cocotb_main,
    program,
    simulator_version,
    verilator_root,
)
from halfbyte.sim.wrapper import TOP

__all__ = ["build"]

# Lint is off, since the generated Verilog has harmless differences of width.
_VERILATOR_OPTIONS = ("-Wno-fatal", "-Wno-lint", "--no-timing", "--vpi", "--prefix", "Vtop")
# Each file of a model costs a second of compile time for the headers that it includes. So only a
# large design is split into several files: one with more nodes than this (Verilator's default is
# 20,000).
_SPLIT = ("--output-split", "100000")

_ICARUS_WAVES = """\
module waves;
  initial begin
    $dumpfile("{top}.fst");
    $dumpvars(0, {top});
  end
endmodule
"""


def build(verilog: str, *, simulator: str, waves: bool, processes: Processes) -> Path:
    """Build the simulation of module ``bench`` in ``verilog`` if necessary; return its folder.

    The folder holds the program that cocotb's runner starts. The folder's name depends on
    ``verilog``, ``waves`` and the simulator, and on the versions of the tools. The program appears
    in the folder only when it is complete. Raises ToolError if a tool is missing or fails, or if
    the path of the temporary folder contains spaces.
    """
    key = content_key([verilog, simulator, waves, simulator_version(simulator), MAKEFILE])
    name = TOP if simulator == "verilator" else "sim.vvp"
    target = cache_folder() / "builds" / key[:24] / name
    if not target.is_file():
        with tempfile.TemporaryDirectory(prefix="halfbyte-sim-") as temporary:
            folder = Path(temporary)
            if any(character.isspace() for character in temporary):
                raise ToolError(
                    f"make needs a temporary folder without spaces in its path, not {folder}: set "
                    "TMPDIR"
                )
            (folder / "bench.v").write_text(verilog)
            compile_with = _verilator if simulator == "verilator" else _icarus
            compile_with(folder, waves, processes)
            publish(folder / name, target)
    return target.parent


def _run(what: str, command: list[str], folder: Path, processes: Processes, **env: str) -> None:
    """Run a command in ``folder``; raise ToolError with ``what`` and the log if it fails."""
    log = folder / "build.log"
    done = processes.run(command, folder=folder, environment=clean_environment(**env), log=log)
    if done != 0:
        raise ToolError(f"{what} failed", command, log.read_text(errors="replace"))


def _icarus(folder: Path, waves: bool, processes: Processes) -> None:
    command = [program("iverilog"), "-g2012", "-o", "sim.vvp", "-s", TOP, "bench.v"]
    if waves:
        (folder / "waves.v").write_text(_ICARUS_WAVES.format(top=TOP))
        command += ["-s", "waves", "waves.v"]
    _run("Compiling with Icarus Verilog", command, folder, processes)


def _verilator(folder: Path, waves: bool, processes: Processes) -> None:
    """Translate to C++ with Verilator, then compile what no earlier build has compiled.

    The build uses links in its own folder, since make cannot handle installed paths with spaces. It
    starts Verilator's binary, not the Perl script around it, so it does not need Perl.
    """
    (folder / "package").symlink_to(verilator_root())
    (folder / "libraries").symlink_to(cocotb_libraries())
    (folder / "python3").symlink_to(sys.executable)
    shutil.copy(cocotb_main(), folder / "verilator.cpp")
    root = str(folder / "package")
    command = [f"{root}/bin/verilator_bin", "-cc", "--exe", "-Mdir", "."]
    command += [*_VERILATOR_OPTIONS, *_SPLIT, "--top-module", TOP, "-o", TOP]
    command += ["-LDFLAGS", "-Llibraries -lcocotbvpi_verilator", *(["--trace"] if waves else [])]
    command += ["verilator.cpp", "bench.v"]
    _run("Verilating", command, folder, processes, VERILATOR_ROOT=root)

    (folder / "Makefile").write_text(MAKEFILE)
    make = [program("make"), f"-j{os.cpu_count() or 1}", f"CXX={program('g++')}"]
    make += ["PYTHON3=./python3", f"VM_TRACE={int(waves)}", TOP]
    with shared_files(folder, waves):
        _run("Compiling the simulation", make, folder, processes, VERILATOR_ROOT=root)
