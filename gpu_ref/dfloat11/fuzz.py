"""Feeds damaged data to the DFloat11 decoders of the host build, under the sanitizers.

DFloat11 is a lossless compression of weights.

``python -m halfbyte.gpu_ref.dfloat11.fuzz 1000000 [SEED]`` decodes that many damaged inputs in a
separate process. An *execution* damages and decodes one input. The address and undefined-behaviour
sanitizers stop at the first execution with an error, such as an access out of bounds. The error
message then names the seed and the number of the execution.
"""

import ctypes
import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from halfbyte.base import ToolError
from halfbyte.base.libraries import loaded
from halfbyte.golden.dfloat11 import decompress, joint, published
from halfbyte.golden.dfloat11.fuzz import corpus
from halfbyte.gpu_ref.build import build_fuzz
from halfbyte.gpu_ref.dfloat11.damage import NAMES
from halfbyte.gpu_ref.sanitizers import sanitized

__all__ = ["fuzz", "fuzz_library"]

SECONDS_EACH = 0.05  # added to the time limit for each execution, which takes far less
# The driver is the library of cuda/dfloat11_fuzz.cpp, which numbers the layouts in this order: the
# prefix layout, that of the dfloat11 package, the joint layout.
_KINDS = ("own", "published", "joint")
# This environment variable has the path of the driver. It is set only in the process with the
# sanitizers.
_WITHIN = "HALFBYTE_FUZZ_LIBRARY"


def _parts(module: published.Module) -> list[NDArray[np.uint8]]:
    """The parts of a module as bytes, in the order in which the driver expects them."""
    parts: list[NDArray[Any]] = [
        module.luts,
        module.encoded_exponent,
        module.sign_mantissa,
        module.gaps,
        module.output_positions,
    ]
    return [np.ascontiguousarray(part).reshape(-1).view(np.uint8) for part in parts]


def _run(
    library: ctypes.CDLL, name: str, inputs: Sequence[NDArray[np.uint8]], count: int,
    seed: int, first: int, last: int,
) -> Counter[str]:  # fmt: skip
    """Run executions ``first`` to ``last - 1`` on the layout ``name``; count their outcomes."""
    data = np.concatenate(inputs)
    ends = np.concatenate([[0], np.cumsum([len(part) for part in inputs])]).astype(np.int64)
    outcomes = np.zeros(len(NAMES), dtype=np.int64)
    address = [array.ctypes.data_as(ctypes.c_void_p) for array in (data, ends, outcomes)]
    library.hb_fuzz(
        ctypes.c_int32(_KINDS.index(name)), address[0], address[1], ctypes.c_int64(count),
        ctypes.c_uint64(seed), ctypes.c_int64(first), ctypes.c_int64(last), address[2],
    )  # fmt: skip
    return Counter({f"{name} {NAMES[i]}": int(n) for i, n in enumerate(outcomes) if n})


def fuzz_library(library: ctypes.CDLL, count: int, seed: int) -> Counter[str]:
    """Run about a third of ``count`` executions on each layout; count their outcomes."""
    coded, modules = corpus(0)
    third = count // 3
    found = _run(library, "own", coded, len(coded), seed, 0, third)
    again = [joint.compress(decompress(torch.from_numpy(each))).numpy() for each in coded]
    found += _run(library, "joint", again, len(again), seed, third, 2 * third)
    parts = [part for module in modules for part in _parts(module)]
    return found + _run(library, "published", parts, len(modules), seed, 2 * third, count)


def fuzz(count: int, seed: int = 0, *, library: Path | None = None) -> str:
    """Run the driver in a separate process; return its output.

    ``library`` is the driver; by default :func:`.build_fuzz` compiles it. Raises ToolError, with
    the last lines of the output, if the sanitizers find an error.
    """
    command = [sys.executable, "-m", "halfbyte.gpu_ref.dfloat11.fuzz", str(count), str(seed)]
    environment = {**sanitized(), _WITHIN: str(library or build_fuzz())}
    try:
        done = subprocess.run(
            command,
            env=environment,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=600 + SECONDS_EACH * count,
        )
    except subprocess.TimeoutExpired:
        raise ToolError(
            f"Decoding {count} damaged inputs of seed {seed} took too long", command
        ) from None
    if done.returncode:
        raise ToolError(f"Decoding damaged inputs of seed {seed} failed", command, done.stderr)
    return done.stdout


def main(count: int, seed: int) -> None:
    """Start the process with the sanitizers; inside that process, run the driver."""
    within = os.environ.get(_WITHIN)
    if within is None:
        print(fuzz(count, seed), end="")
        return
    begin = time.perf_counter()
    found = fuzz_library(loaded(Path(within)), count, seed)
    for what, times in sorted(found.items()):
        print(f"{what}: {times}")
    seconds = time.perf_counter() - begin
    print(f"seed {seed}: {found.total()} damaged inputs in {seconds:.0f} s; no errors found")


if __name__ == "__main__":
    numbers = [int(argument) for argument in sys.argv[1:]]
    try:
        main((numbers[:1] or [100_000])[0], (numbers[1:] or [time.time_ns() % 2**31])[0])
    except ToolError as error:
        sys.exit(f"error: {error}")
