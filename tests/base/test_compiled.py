"""Functions compiled by numba that call each other across files, and the cache of machine code."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from numba.core.errors import NumbaError

from halfbyte.base.compiled import borrowing_jit, inner_jit, jit

NAME = "halfbyte_compiled_sample"
FILES = {
    "__init__.py": "",
    "high.py": f"""
from halfbyte.base.compiled import jit
from {NAME}.low import factor

@jit
def result(x):
    return factor() * x
""",
    "low.py": """
from halfbyte.base.compiled import jit

@jit
def factor():
    return 2
""",
    "apart.py": "",
}
# Prints the result, the number of cache hits, and the cache folder. A cache hit means that the
# machine code of the function was loaded, not compiled.
SCRIPT = f"""
from {NAME}.high import result
found = result(21)
print(found, sum(result.stats.cache_hits.values()), result.stats.cache_path, sep="|")
"""


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """The folder of a package of FILES, in which ``high.result`` calls ``low.factor``."""
    folder = tmp_path / NAME
    folder.mkdir()
    for name, text in FILES.items():
        (folder / name).write_text(text)
    return folder


def start(package: Path, **variables: str) -> "subprocess.Popen[str]":
    """Start a process that runs SCRIPT with these environment variables."""
    names = ("NUMBA_CACHE_DIR", "NUMBA_CACHE_LOCATOR_CLASSES", "PYTHONDONTWRITEBYTECODE")
    environment = {name: value for name, value in os.environ.items() if name not in names}
    paths = [str(package.parent), *filter(None, [environment.get("PYTHONPATH")])]
    environment |= {"PYTHONPATH": os.pathsep.join(paths), **variables}
    pipe = subprocess.PIPE
    command = [sys.executable, "-c", SCRIPT]
    return subprocess.Popen(command, env=environment, stdout=pipe, stderr=pipe, text=True)


def outcome(process: "subprocess.Popen[str]") -> tuple[int, int, Path]:
    """The result, the number of cache hits, and the cache folder."""
    output, errors = process.communicate()
    assert process.returncode == 0, errors[-3000:]
    value, hits, path = output.strip().split("|")
    return int(value), int(hits), Path(path)


def run(package: Path, **variables: str) -> tuple[int, int, Path]:
    return outcome(start(package, **variables))


def edit(path: Path, text: str) -> None:
    """Replace the text of a file, and delete Python's bytecode of the former text."""
    path.write_text(text)
    for bytecode in (path.parent / "__pycache__").glob(f"{path.stem}.*.pyc"):
        bytecode.unlink()


def test_a_function_is_compiled_again_if_a_function_it_calls_was_edited(package: Path) -> None:
    assert run(package)[:2] == (42, 0)
    edit(package / "apart.py", "x = 1\n")
    assert run(package)[:2] == (42, 1)
    edit(package / "low.py", FILES["low.py"].replace("return 2", "return 3"))
    assert run(package)[:2] == (63, 0)


def test_only_one_of_two_processes_at_once_compiles(package: Path) -> None:
    found = [outcome(process)[:2] for process in [start(package), start(package)]]
    assert sorted(found) == [(42, 0), (42, 1)]


def test_machine_code_is_cached_beside_the_source_or_in_numba_cache_dir(
    package: Path, tmp_path: Path
) -> None:
    assert run(package)[2].is_relative_to(package / "__pycache__")
    chosen = tmp_path / "chosen"
    assert run(package, NUMBA_CACHE_DIR=str(chosen))[2].is_relative_to(chosen)


def test_the_user_s_cache_is_used_if_the_source_is_read_only(package: Path, tmp_path: Path) -> None:
    # A file in place of the folder stops even root, who may write to read-only folders.
    (package / "__pycache__").write_text("")
    value, hits, path = run(package, XDG_CACHE_HOME=str(tmp_path / "cache"))
    assert (value, hits) == (42, 0)
    assert path.is_relative_to(tmp_path / "cache" / "halfbyte")


def test_every_process_compiles_where_nothing_can_be_written(package: Path) -> None:
    blocked = package / "blocked"
    blocked.write_text("")
    assert [run(package, NUMBA_CACHE_DIR=str(blocked))[:2] for _ in range(2)] == [(42, 0)] * 2


def test_a_borrowing_function_works_on_arrays_and_cannot_create_one() -> None:
    @borrowing_jit
    def add(pair: tuple[np.ndarray, np.ndarray]) -> None:
        first, second = pair
        for place in range(first.shape[0]):
            first[place] += second[place]

    @borrowing_jit
    def create() -> int:
        return len(np.zeros(3))

    found = np.arange(3)
    add((found, np.full(3, 10)))
    assert found.tolist() == [10, 11, 12]
    with pytest.raises(NumbaError, match="Only accept returning of array passed"):
        create()


def test_an_inner_function_is_compiled_with_its_caller_and_runs_in_python_too() -> None:
    @inner_jit
    def wrapped(number: int) -> int:
        return number * number  # Python's integers do not wrap around, compiled ones do

    @jit
    def caller(number: int) -> int:
        return wrapped(number)

    assert caller(2**40) == 2**80 % 2**64
    assert wrapped(2**40) == 2**80
