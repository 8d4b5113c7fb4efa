"""Feed damaged inputs to the decoders, with bounds checks on all array accesses in numba.

The docstring of :mod:`halfbyte.golden.dfloat11.fuzz` says how to run a million inputs.
"""

import os
import subprocess
import sys

import pytest

from halfbyte.golden.dfloat11.fuzz import fuzz

COUNT = 12_000

# The program first makes sure that bounds are checked: it reads 9 bytes from an array of 8, which
# must raise IndexError.
PROGRAM = f"""\
import runpy, sys
import numpy as np
from halfbyte.golden.dfloat11.kernels import crc32c
try:
    crc32c(np.zeros(8, np.uint8), 0, 9)
except IndexError:
    print("checked")
sys.argv[1:] = ["{COUNT}"]
runpy.run_module("halfbyte.golden.dfloat11.fuzz", run_name="__main__")
"""


@pytest.mark.slow
def test_no_access_is_out_of_bounds(tmp_path):
    environment = {
        **os.environ,
        "NUMBA_BOUNDSCHECK": "1",
        "HALFBYTE_CODEC": "numba",
        "NUMBA_CACHE_DIR": str(tmp_path),
    }
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        env=environment,
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.startswith("checked\n")
    assert "refused" in done.stdout


def test_is_the_same_for_the_same_seed():
    first, second = fuzz(300, seed=5), fuzz(300, seed=5)
    assert first == second
    assert sum(first.values()) == 300
    assert first != fuzz(300, seed=6)
