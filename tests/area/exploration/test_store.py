"""The store of explorations is shared, append-only, and undamaged after a run is killed.

A run *claims* the keys that it is going to compute, so that no other run computes them.
"""

import multiprocessing
import os
import random
import signal
import sqlite3
import subprocess
import sys

import pytest

from halfbyte.area.exploration.store import ResultStore
from halfbyte.base import UserError

# A program that adds batches of five records until it is killed.
WRITER = """
import sys
from pathlib import Path
from halfbyte.area.exploration.store import ResultStore
store = ResultStore(Path(sys.argv[1]))
index = 0
while True:
    keys = [f"{sys.argv[2]}-{index}-{place}" for place in range(5)]
    store.claim(keys)
    store.add({key: {"value": key, "padding": "x" * 2000} for key in keys})
    print(index, flush=True)
    index += 1
"""


@pytest.fixture
def path(tmp_path):
    return tmp_path / "folder" / "explore.sqlite"


def test_stored_records_come_back_and_are_never_replaced(path):
    store = ResultStore(path)
    records = {f"key{index}": {"area_um2": index / 3, "format": None} for index in range(2000)}
    store.add(records)
    store.add({"key0": {"area_um2": -1}})
    store.close()
    store = ResultStore(path)
    assert store.get([*records, "missing"]) == records
    assert len(store) == 2000
    store.close()


def test_results_cannot_be_changed(path):
    store = ResultStore(path)
    store.add({"key": {"area_um2": 1}})
    store.close()
    with (
        sqlite3.connect(path) as database,
        pytest.raises(sqlite3.IntegrityError, match="only ever"),
    ):
        database.execute("UPDATE results SET record = '{}'")
    database.close()


def test_records_can_be_read_with_sql(path):
    store = ResultStore(path)
    store.add({"key": {"format": "int4", "area_um2": 1048.5}})
    with sqlite3.connect(path) as database:
        rows = database.execute("SELECT format, area_um2, recipe FROM designs").fetchall()
    database.close()
    store.close()
    assert rows == [("int4", 1048.5, None)]


def test_claimed_and_stored_keys_cannot_be_claimed(path):
    first, second = ResultStore(path), ResultStore(path)
    first.add({"stored": {}})
    assert first.claim(["stored", "a", "b"]) == {"a", "b"}
    assert first.claim(["a"]) == {"a"}  # this run still has its claim
    assert second.claim(["stored", "a", "b", "c"]) == {"c"}
    first.release(["a"])
    assert second.claim(["a", "b"]) == {"a"}
    first.add({"b": {}})
    assert second.claim(["b"]) == set()
    first.close()
    second.close()


def test_claims_end_with_the_run(path):
    first, second = ResultStore(path), ResultStore(path)
    first.claim(["a"])
    first.close()
    assert second.claim(["a"]) == {"a"}
    second.close()
    assert list(path.with_name("explore.sqlite.runs").iterdir()) == []


def killed_while_writing(path, name, batches):
    """Start a writer, and kill it after some batches of records, which are numbered from 0.

    Returns the number of the last batch that the writer reported.
    """
    process = subprocess.Popen(
        [sys.executable, "-c", WRITER, str(path), name], stdout=subprocess.PIPE, text=True
    )
    last = -1
    while last < batches:
        last = int(process.stdout.readline())
    os.kill(process.pid, signal.SIGKILL)
    rest = process.stdout.read().split()
    process.stdout.close()
    assert process.wait() == -signal.SIGKILL
    return max([last, *map(int, rest)])


def test_killed_writers_leave_whole_batches_and_no_claims(path):
    rng = random.Random(7)
    for name in ("one", "two", "three"):
        reported = killed_while_writing(path, name, rng.randrange(3, 40))
        store = ResultStore(path)
        keys = [f"{name}-{index}-{place}" for index in range(reported + 3) for place in range(5)]
        found = store.get(keys)
        assert all(record["value"] == key for key, record in found.items())
        # Every reported batch is in the store, and no batch is there in part.
        assert set(keys[: 5 * (reported + 1)]) <= set(found)
        assert len(found) % 5 == 0
        missing = [key for key in keys if key not in found]
        assert store.claim(missing) == set(missing)  # the dead run's claims are void
        store.close()
    with sqlite3.connect(path) as database:
        assert database.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    database.close()


def add_many(path, name, barrier):
    """Add 60 records of this process, and those of 60 shared records that it can claim."""
    store = ResultStore(path)
    barrier.wait()
    for index in range(60):
        keys = [f"shared-{index}", f"{name}-{index}"]
        claimed = store.claim(keys)
        store.add({key: {"by": name} for key in claimed})
    store.close()


def test_runs_at_the_same_time_share_the_work(path):
    context = multiprocessing.get_context("spawn")
    barrier = context.Barrier(2)
    runs = [context.Process(target=add_many, args=(path, name, barrier)) for name in ("a", "b")]
    for run in runs:
        run.start()
    for run in runs:
        run.join()
        assert run.exitcode == 0
    store = ResultStore(path)
    assert len(store) == 180
    store.close()


def test_other_files_are_refused_and_left_alone(path, tmp_path):
    path.parent.mkdir()
    path.write_text("no database at all, but long enough to be looked at " * 40)
    before = path.read_bytes()
    with pytest.raises(UserError, match=r"cannot be used as a store .*--store"):
        ResultStore(path)
    assert path.read_bytes() == before
    newer = tmp_path / "newer.sqlite"
    with sqlite3.connect(newer) as database:
        database.execute("PRAGMA user_version = 99")
    database.close()
    with pytest.raises(UserError, match="of version 99, and halfbyte needs version 1"):
        ResultStore(newer)


def test_a_record_that_is_not_json_is_an_error(path):
    store = ResultStore(path)
    database = sqlite3.connect(path)
    with database:
        database.execute("INSERT INTO results VALUES ('a', '{')")
    database.close()
    with pytest.raises(UserError, match="holds a damaged record"):
        store.get(["a"])
    store.close()
