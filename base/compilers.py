"""Find the C++ compiler of this machine, check its version, and run it.

The *host build* is C++ code of halfbyte that was compiled for this machine's CPU.
"""

import os
import re
import shlex
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from halfbyte.base.errors import ToolError
from halfbyte.base.fingerprint import content_key

__all__ = ["SHARED_LIBRARY", "Compiler", "host_compiler", "run_tool"]

CXX17 = 201703  # the value of __cplusplus for C++17
SECONDS = 900  # the longest time that a compiler may take

SHARED_LIBRARY = ("-std=c++17", "-O3", "-shared")
# Results are defined with a rounding after every operation, so the compiler must not contract a
# multiplication and an addition to a fused multiply-add, which rounds only once.
_HOST = ("-ffp-contract=off", "-fPIC", "-fvisibility=hidden", "-pthread")
SANITIZERS = ("-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-g1", "-Og")


@dataclass(frozen=True)
class Compiler:
    """An installed C++ compiler that knows C++17.

    Parameters
    ----------
    command : tuple of str
        The command that starts it.
    version : str
        The first line that it prints for ``--version``.
    flags : tuple of str
        Options for the shared libraries of this project.
    target : str
        Hash of the macros that the compiler predefines for this machine's CPU. They differ between
        instruction sets.
    """

    command: tuple[str, ...]
    version: str
    flags: tuple[str, ...]
    target: str = ""

    def compile(self, sources: Sequence[str], output: Path, folder: Path) -> None:
        """Compile ``sources`` in ``folder`` to the shared library ``output``.

        Raises ToolError, with the command and the last lines that the compiler printed, if it
        fails.
        """
        command = [*self.command, *self.flags, *sources, "-o", str(output)]
        done = run_tool(command, folder)
        if done.returncode:
            raise ToolError(f"Compiling {' '.join(sources)} failed", command, done.stderr)


def run_tool(
    command: Sequence[str], folder: Path | None = None
) -> "subprocess.CompletedProcess[str]":
    """Run a compiler in ``folder``, by default the working directory, and wait for its end.

    Returns its exit status and its output. Raises ToolError if it cannot be started, or takes more
    than 15 minutes.
    """
    try:
        return subprocess.run(
            command,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=SECONDS,
        )
    except subprocess.TimeoutExpired:
        raise ToolError(f"Compiling took more than {SECONDS} s", command) from None
    except OSError as error:
        raise ToolError(f"{command[0]} cannot be run: {error.strerror}", command) from None


def _macros(command: Sequence[str], *flags: str) -> str | None:
    """The ``#define`` lines of a C++ compiler's own macros; None if it refuses the flags."""
    done = run_tool([*command, "-std=c++17", *flags, "-dM", "-E", "-x", "c++", os.devnull])
    return done.stdout if done.returncode == 0 else None


def _checked(command: tuple[str, ...]) -> Compiler:
    """The compiler that ``command`` starts, with its flags. Raises ToolError if it lacks C++17."""
    version = run_tool([*command, "--version"]).stdout.partition("\n")[0].strip()
    plain = _macros(command)
    standard = re.search(r"^#define __cplusplus (\d+)", plain or "", re.MULTILINE)
    if standard is None or int(standard[1]) < CXX17:
        raise ToolError(
            f"{command[0]} is not a C++ compiler or is too old ({version or 'no version'}): "
            "the host build needs C++17, as in g++ 8 or clang 7; set CXX to such a compiler"
        )
    native = _macros(command, "-march=native")  # some compilers for ARM do not know this option
    flags = ("-march=native",) if native else ()
    flags = (*SHARED_LIBRARY, *flags, *_HOST)
    return Compiler(command, version, flags, content_key(native or plain))


@cache
def _host_compiler(chosen: str | None) -> Compiler:
    """The compiler that ``chosen``, the value of ``$CXX``, names; by default, an installed one."""
    if chosen:
        try:
            words = shlex.split(chosen)
        except ValueError:  # a quote is not closed
            words = []
        if not words or shutil.which(words[0]) is None:
            raise ToolError(f"CXX={chosen!r} is not a program: set it to a compiler")
        return _checked(tuple(words))
    for name in ("g++", "clang++", "c++"):
        if shutil.which(name):
            return _checked((name,))
    raise ToolError(
        "No C++ compiler found: the host build needs one; install it (apt install g++), or set CXX"
    )


def host_compiler(*, sanitize: bool = False) -> Compiler:
    """The C++ compiler of this machine.

    It is the one that ``$CXX`` names, or else the first of g++, clang++ and c++ that is installed.
    ``sanitize`` adds the address and undefined-behaviour sanitizers. Raises ToolError if there is
    no such compiler, or if it does not know C++17.
    """
    found = _host_compiler(os.environ.get("CXX"))
    if not sanitize:
        return found
    return Compiler(found.command, found.version, (*found.flags, *SANITIZERS), found.target)
