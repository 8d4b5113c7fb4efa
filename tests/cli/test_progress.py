"""Progress of long runs: how much is done, how fast it goes, and how long it will take."""

import pytest

from halfbyte.cli import output


@pytest.fixture
def clock(monkeypatch):
    """A clock that the test sets. Standard error does not count as a terminal."""
    now = [100.0]
    monkeypatch.setattr(output.time, "monotonic", lambda: now[0])
    monkeypatch.setattr(output._status, "_force_terminal", False)
    return now


def test_rate_and_time_left(clock, capsys):
    with output.rate_progress("Compressing", "MB") as update:
        update(1000, 30_000, "a")  # the speed is not known yet
        clock[0] += 40
        update(3000, 30_000, "b")
        clock[0] += 1
        update(3100, 30_000, "c")  # too soon for another line
        clock[0] += 39
        update(5000, 30_000, "d")
    assert capsys.readouterr().err.splitlines() == [
        "Compressing: 3000 of 30000, 0:09:00 left, 50.0 MB/s, b",
        "Compressing: 5000 of 30000, 0:08:20 left, 50.0 MB/s, d",
    ]
