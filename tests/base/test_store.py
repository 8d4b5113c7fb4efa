"""The record store, a file with one JSON record in each line.

It keeps working if several processes write to the file, a writer is killed, lines are damaged, or
the file is replaced.
"""

import multiprocessing
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from halfbyte.base import RecordStore


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "records" / "store.jsonl"


def test_a_record_is_read_back(path: Path) -> None:
    store = RecordStore(path)
    assert store.get("a") is None
    store.append("a", {"area_um2": 1.5, "proof": None})
    assert store.get("a") == RecordStore(path).get("a") == {"area_um2": 1.5, "proof": None}


def test_the_newest_record_of_a_key_counts(path: Path) -> None:
    store = RecordStore(path)
    store.append("a", {"n": 1})
    store.append("a", {"n": 2})
    assert store.get("a") == RecordStore(path).get("a") == {"n": 2}
    assert len(path.read_text().splitlines()) == 2


def test_a_newer_record_written_by_another_store_counts(path: Path) -> None:
    one, other = RecordStore(path), RecordStore(path)
    one.append("a", {"n": 1})
    assert other.get("a") == {"n": 1}
    one.append("a", {"n": 2})
    assert other.get("a") == {"n": 2}


def test_reading_makes_no_file(path: Path) -> None:
    assert RecordStore(path).get("a") is None
    assert not path.parent.exists()


def test_two_stores_see_each_other_s_records(path: Path) -> None:
    one, other = RecordStore(path), RecordStore(path)
    one.append("a", {"n": 1})
    assert other.get("a") == {"n": 1}
    other.append("b", {"n": 2})
    one.append("c", {"n": 3})
    assert (one.get("b"), other.get("c")) == ({"n": 2}, {"n": 3})


@pytest.mark.parametrize("tail", ['{"key": "b", "rec', "{", '{"key": "b", "record": {"n": 2}}'])
def test_only_an_incomplete_last_line_is_lost(path: Path, tail: str) -> None:
    RecordStore(path).append("a", {"n": 1})
    with path.open("a") as file:
        file.write(tail)  # as a killed writer leaves it, without a line end
    store = RecordStore(path)
    assert store.get("a") == {"n": 1}
    assert store.get("b") is None
    store.append("c", {"n": 3})
    for reader in (store, RecordStore(path)):
        assert (reader.get("a"), reader.get("c")) == ({"n": 1}, {"n": 3})


@pytest.mark.parametrize(
    "line",
    ["", "null", "[]", "3", '{"key": "b"}', '{"record": {}}', "\x00\x00", "\ufffd", "{" * 50],
)
def test_lines_that_are_not_records_are_skipped(path: Path, line: str) -> None:
    store = RecordStore(path)
    store.append("a", {"n": 1})
    with path.open("a") as file:
        file.write(line + "\n")
    store.append("c", {"n": 3})
    reader = RecordStore(path)
    assert (reader.get("a"), reader.get("b"), reader.get("c")) == ({"n": 1}, None, {"n": 3})


def test_bytes_that_are_not_text_are_skipped(path: Path) -> None:
    RecordStore(path).append("a", {"n": 1})
    with path.open("ab") as file:
        file.write(b"\xff\xfe\n")
    assert RecordStore(path).get("a") == {"n": 1}


def test_text_with_line_separators_stays_one_line(path: Path) -> None:
    record = {"text": "one\ntwo\u2028three\x85four\r"}
    RecordStore(path).append("a", record)
    assert RecordStore(path).get("a") == record
    assert path.read_bytes().count(b"\n") == 1


def test_a_deleted_file_is_noticed(path: Path) -> None:
    store = RecordStore(path)
    store.append("a", {"n": 1})
    other = RecordStore(path)
    assert other.get("a") == {"n": 1}
    path.unlink()
    assert other.get("b") is None
    other.append("b", {"n": 2})
    assert RecordStore(path).get("a") is None
    assert RecordStore(path).get("b") == {"n": 2}


def test_a_file_replaced_by_a_shorter_one_is_read_anew(path: Path) -> None:
    store = RecordStore(path)
    store.append("a", {"text": "long" * 100})
    assert RecordStore(path).get("a")
    reader = RecordStore(path)
    assert reader.get("a")
    other = path.with_name("other.jsonl")
    RecordStore(other).append("b", {"n": 2})
    path.write_bytes(other.read_bytes())
    assert reader.get("b") == {"n": 2}
    assert reader.get("a") is None


def test_a_file_replaced_by_a_longer_one_is_read_anew(path: Path, tmp_path: Path) -> None:
    reader = RecordStore(path)
    RecordStore(path).append("a", {"n": 1})
    assert reader.get("a") == {"n": 1}
    fresh = tmp_path / "fresh.jsonl"
    RecordStore(fresh).append("b", {"text": "long" * 100})
    fresh.replace(path)
    assert reader.get("b") == {"text": "long" * 100}
    assert reader.get("a") is None


def test_a_record_that_is_not_json_leaves_the_file_alone(path: Path) -> None:
    store = RecordStore(path)
    with pytest.raises(TypeError):
        store.append("a", {"n": {1, 2}})
    assert not path.exists()
    assert store.get("a") is None


def append_many(path: Path, writer: int, count: int) -> None:
    """Append records with keys of this writer, as one of several processes."""
    store = RecordStore(path)
    for index in range(count):
        store.append(f"{writer}-{index}", {"payload": "x" * 2000, "n": index})


def test_processes_can_append_at_the_same_time(path: Path) -> None:
    context = multiprocessing.get_context("fork" if sys.platform == "linux" else "spawn")
    writers = [context.Process(target=append_many, args=(path, n, 50)) for n in range(3)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
        assert writer.exitcode == 0
    assert len(path.read_bytes().splitlines()) == 150
    reader = RecordStore(path)
    for writer_index in range(3):
        assert all(
            reader.get(f"{writer_index}-{n}") == {"payload": "x" * 2000, "n": n} for n in range(50)
        )


ENDLESS_WRITER = """
import sys
from pathlib import Path
from halfbyte.base import RecordStore
store, n = RecordStore(Path(sys.argv[1])), 0
while True:
    store.append(str(n), {"payload": "x" * 100_000, "n": n})
    n += 1
"""


def test_a_store_still_works_after_a_writer_was_killed(path: Path) -> None:
    writer = subprocess.Popen([sys.executable, "-c", ENDLESS_WRITER, str(path)])
    deadline = time.monotonic() + 60
    while not (path.exists() and path.stat().st_size > 500_000):
        assert time.monotonic() < deadline, "the writer is too slow"
        time.sleep(0.01)
    os.kill(writer.pid, signal.SIGKILL)
    writer.wait()
    store = RecordStore(path)
    assert all(store.get(str(n)) == {"payload": "x" * 100_000, "n": n} for n in range(5))
    store.append("after", {"n": -1})
    assert RecordStore(path).get("after") == {"n": -1}


def test_a_record_that_was_edited_by_hand_is_ignored(path: Path) -> None:
    store = RecordStore(path)
    store.append("a", {"area_um2": 1000.5})
    store.append("b", {"area_um2": 2000.5})
    path.write_text(path.read_text().replace("1000.5", "900.5"))
    assert RecordStore(path).get("a") is None
    assert RecordStore(path).get("b") == {"area_um2": 2000.5}
    store.append("a", {"area_um2": 1000.5})
    assert RecordStore(path).get("a") == {"area_um2": 1000.5}
