"""Compression in several processes: pairs that write the same file, and runs that are killed.

Each test starts one process that loads PyTorch, which takes seconds. This process then forks the
others.
"""

import os
import subprocess
import sys

import pytest
import torch
from safetensors.torch import save_file

pytestmark = pytest.mark.slow

PRELUDE = """\
import os, signal, sys, time
from pathlib import Path
from halfbyte.base import UserError
from halfbyte.checkpoints.dfloat11.container import compress_file, decompress_file, verify_file
from halfbyte.checkpoints.tensor_file import TensorFile

source, folder = Path(sys.argv[1]), Path(sys.argv[2])

# Call the job. Return 0 if it succeeds, 1 if its output exists already, 2 for another UserError,
# and 3 for any other exception.
def outcome(job, *paths):
    try:
        job(*paths)
        return 0
    except UserError as error:
        return 1 if "exists already" in str(error) else 2
    except BaseException:
        return 3

def pack(target):
    compress_file(TensorFile.open(source), target)

def unpack(packed, target):
    decompress_file(TensorFile.open(packed), target)

def begin(job, *paths):
    child = os.fork()
    if not child:
        os._exit(outcome(job, *paths))
    return child

def end(child):
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
"""

PAIRS = """
# Two workers do the same job at once. The parent sends each worker a byte that names the job: n,
# below UNPACK, to write compressed file n; n + UNPACK to decompress that file; STOP to end. The
# worker sends back a byte, the outcome of the job.
UNPACK, STOP = 100, 200

def paths(number):
    return folder / f"{number}.df11.safetensors", folder / f"{number}.safetensors"

def work(asked, told):
    while (asked_for := os.read(asked, 1)[0]) < STOP:
        packed, plain = paths(asked_for % UNPACK)
        found = outcome(pack, packed) if asked_for < UNPACK else outcome(unpack, packed, plain)
        os.write(told, bytes([found]))

def worker():
    asked, told = os.pipe(), os.pipe()
    child = begin(work, asked[0], told[1])
    return child, asked[1], told[0]

pair = worker(), worker()

def both(number):
    for _, ask, _ in pair:
        os.write(ask, bytes([number]))
    return sorted(os.read(tell, 1)[0] for _, _, tell in pair)

for number in range(UNPACK):
    assert both(number) == [0, 1], number
    if number % 4:
        assert verify_file(TensorFile.open(paths(number)[0])) == 0, number
        continue
    assert both(number + UNPACK) == [0, 1], number
    assert paths(number)[1].read_bytes() == source.read_bytes(), number
for child, ask, _ in pair:
    os.write(ask, bytes([STOP]))
    assert end(child) == 0
assert not list(folder.glob(".*"))
"""

KILLS = """
target, whole = folder / "p.df11.safetensors", folder / "whole.df11.safetensors"
start = time.perf_counter()
assert end(begin(pack, whole)) == 0
seconds, killed = time.perf_counter() - start, 0
for step in range(26):
    child = begin(pack, target)
    time.sleep(seconds * step / 20)
    os.kill(child, signal.SIGKILL)
    killed += end(child) == -signal.SIGKILL
    if target.exists():  # the run was complete before it was killed
        assert target.read_bytes() == whole.read_bytes(), step
        target.unlink()
assert killed >= 5, killed
assert end(begin(pack, target)) == 0
assert not list(folder.glob(".*")), "files of killed runs are left"
assert verify_file(TensorFile.open(target)) == 0
"""


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    torch.manual_seed(3)
    tensors = {f"layers.{i}": (torch.randn(64, 400 + i) * 0.02).bfloat16() for i in range(3)}
    path = tmp_path_factory.mktemp("source") / "m.safetensors"
    save_file(tensors | {"ids": torch.arange(70)}, path)
    return path


@pytest.mark.parametrize("job", [PAIRS, KILLS], ids=["a hundred pairs", "killed"])
def test_no_output_is_ever_wrong(source, tmp_path, job):
    done = subprocess.run(
        [sys.executable, "-c", PRELUDE + job, source, tmp_path],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
