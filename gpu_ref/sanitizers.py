"""Runs the kernels under a sanitizer, in a separate process."""

import os
import shutil
import subprocess
import sys

from halfbyte.base import ToolError
from halfbyte.base.compilers import host_compiler
from halfbyte.gpu_ref.library import SANITIZE_VARIABLE

__all__ = [
    "find_compute_sanitizer",
    "run_compute_sanitizer",
    "run_host_sanitizers",
    "sanitized",
]

SECONDS = 1800  # time limit of a run
# The exit status of compute-sanitizer if it finds an error. The smoke test itself exits with 1 if a
# number differs from the golden model.
FOUND = 86
COMPUTE_TOOLS = ("memcheck", "racecheck", "synccheck")


def find_compute_sanitizer() -> str | None:
    """The path of compute-sanitizer, which is part of the CUDA toolkit; None if it is missing."""
    for name in ("compute-sanitizer", "/usr/local/cuda/bin/compute-sanitizer"):
        if path := shutil.which(name):
            return path
    return None


def _smoke(what: str, device: str, prefix: list[str], environment: dict[str, str]) -> str:
    """Run the smoke test under the command ``prefix``; return its output, or raise ToolError."""
    command = [*prefix, sys.executable, "-m", "halfbyte.gpu_ref.smoke", device]
    try:
        done = subprocess.run(
            command,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            timeout=SECONDS,
        )
    except subprocess.TimeoutExpired:
        raise ToolError(
            f"Running the kernels under {what} took more than {SECONDS} s", command
        ) from None
    if done.returncode:
        raise ToolError(f"Running the kernels under {what} failed", command, done.stdout)
    return done.stdout


def run_compute_sanitizer(path: str, tools: tuple[str, ...] = COMPUTE_TOOLS) -> tuple[str, ...]:
    """Run the kernels on the GPU under ``tools`` of compute-sanitizer; return the tools' names.

    Raises ToolError, with the last lines of the output, if a tool finds an error or a number
    differs from the golden model.
    """
    for tool in tools:
        prefix = [path, "--tool", tool, "--error-exitcode", str(FOUND)]
        _smoke(f"compute-sanitizer ({tool})", "cuda", prefix, dict(os.environ))
    return tools


def sanitized() -> dict[str, str]:
    """Environment variables for a Python process whose host build has the sanitizers.

    Raises ToolError if the compiler lacks sanitizers.
    """
    compiler = host_compiler(sanitize=True)
    asked = [*compiler.command, "-print-file-name=libasan.so"]
    runtime = subprocess.run(asked, capture_output=True, text=True).stdout.strip()
    if "/" not in runtime:
        raise ToolError("The compiler has no address sanitizer: apt install libasan, or use g++")
    return {
        **os.environ,
        SANITIZE_VARIABLE: "1",
        "LD_PRELOAD": runtime,
        # Python and PyTorch do not free all memory at exit.
        "ASAN_OPTIONS": "detect_leaks=0:abort_on_error=0:halt_on_error=1",
        "UBSAN_OPTIONS": "print_stacktrace=1:halt_on_error=1",
    }


def run_host_sanitizers() -> str:
    """Run the host build under the address and undefined-behaviour sanitizers; return its output.

    Raises ToolError, with the last lines of the output, if they find an error or a number differs
    from the golden model.
    """
    return _smoke("the sanitizers", "cpu", [], sanitized())
