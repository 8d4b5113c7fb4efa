"""The store of explorations: records in an SQLite file that several runs share."""

import fcntl
import json
import os
import sqlite3
import threading
import uuid
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from halfbyte.base import JsonObject, UserError, json_text

__all__ = ["ResultStore"]

# The version of the tables, stored in the file; increase it when the tables change.
_VERSION = 1
_TABLES = """\
CREATE TABLE IF NOT EXISTS results (key TEXT PRIMARY KEY, record TEXT NOT NULL);
CREATE TRIGGER IF NOT EXISTS keep BEFORE UPDATE ON results
  BEGIN SELECT RAISE(ABORT, 'results are only ever added'); END;
CREATE TABLE IF NOT EXISTS claims (key TEXT PRIMARY KEY, run TEXT NOT NULL);
CREATE VIEW IF NOT EXISTS designs AS SELECT
  json_extract(record, '$.format') AS format,
  json_extract(record, '$.activation') AS activation,
  json_extract(record, '$.architecture') AS architecture,
  json_extract(record, '$.recipe') AS recipe,
  json_extract(record, '$.technology') AS technology,
  json_extract(record, '$.terms') AS terms,
  json_extract(record, '$.area_um2') AS area_um2,
  record FROM results;
"""
# The most keys in one SQL statement, each a parameter. SQLite allows 32766 parameters, and older
# versions allow 999.
_MANY = 900
# The longest wait for another run's transaction, which takes milliseconds.
_PATIENCE_SECONDS = 60.0


class ResultStore:
    """Records, each stored under its key, a hash of all that the record depends on.

    Stored records are never changed.

    Many processes of one machine may use the same file at the same time. Each may be killed at any
    moment: a record is stored completely or not at all. A run claims a key before it computes the
    record, so that no other run does the same work. Each run locks a file of its own. The operating
    system drops the lock when the process ends. The claims of a run that has lost its lock do not
    count.

    SQL programs can read the records through the view ``designs``. Several threads may use one
    object of this class at the same time.

    Parameters
    ----------
    path : Path
        The file. It is created if missing, with its folder and a folder of locks beside it.

    Raises
    ------
    UserError
        The file is not a store of this version, or cannot be opened.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.RLock()
        self._locks = path.with_name(f"{path.name}.runs")
        self._locks.mkdir(parents=True, exist_ok=True)
        self._database = self._open()
        self._run = uuid.uuid4().hex
        self._run_file = self._hold_lock()
        for path in self._locks.iterdir():
            self._is_alive(path.name)  # removes the lock files of killed runs

    def _open(self) -> sqlite3.Connection:
        try:
            database = sqlite3.connect(
                self.path,
                timeout=_PATIENCE_SECONDS,
                isolation_level=None,
                check_same_thread=False,
            )
            (version,) = database.execute("PRAGMA user_version").fetchone()
            if version not in (0, _VERSION):
                raise UserError(
                    f"{self.path} is a store of version {version}, and halfbyte needs version "
                    f"{_VERSION}: name another store with --store"
                )
            # With a write-ahead log (WAL), readers and a writer do not wait for each other. If a
            # writer is killed, the next one finishes or drops what the log holds.
            database.execute("PRAGMA journal_mode = WAL")
            database.execute("PRAGMA synchronous = NORMAL")
            if version == 0:
                database.executescript(
                    f"BEGIN IMMEDIATE; {_TABLES} PRAGMA user_version = {_VERSION}; COMMIT;"
                )
        except sqlite3.Error as error:
            raise UserError(
                f"{self.path} cannot be used as a store ({error}): name another store with "
                "--store, or move this file away"
            ) from error
        return database

    def _hold_lock(self) -> int:
        """Make and lock this run's lock file; returns its file descriptor.

        The file has a hidden name until it is locked, so that no other run sees it unlocked.
        """
        hidden = self.path.with_name(f".{self._run}")
        file = os.open(hidden, os.O_CREAT | os.O_RDWR, 0o666)
        fcntl.flock(file, fcntl.LOCK_EX)
        hidden.rename(self._locks / self._run)
        return file

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        """A transaction that is undone if an exception is raised in it."""
        with self._lock:
            self._database.execute("BEGIN IMMEDIATE")
            try:
                yield self._database
            except BaseException:
                self._database.execute("ROLLBACK")
                raise
            self._database.execute("COMMIT")

    def __len__(self) -> int:
        with self._lock:
            (count,) = self._database.execute("SELECT count(*) FROM results").fetchone()
        return int(count)

    def get(self, keys: Collection[str]) -> dict[str, JsonObject]:
        """The stored records of ``keys``; keys without a record are left out.

        Raises UserError if one of the records is not JSON.
        """
        texts: dict[str, str] = {}
        with self._lock:
            for some in _portions(keys):
                rows = self._database.execute(
                    f"SELECT key, record FROM results WHERE key IN ({_marks(some)})",  # noqa: S608
                    some,
                )
                texts.update(rows)
        try:
            return {key: json.loads(text) for key, text in texts.items()}
        except json.JSONDecodeError as error:
            raise UserError(
                f"{self.path} holds a damaged record ({error}): name another store with --store, "
                "or move this file away"
            ) from error

    def add(self, records: Mapping[str, JsonObject]) -> None:
        """Add records and drop the claims on them; existing records stay unchanged."""
        rows = [(key, json_text(record)) for key, record in records.items()]
        with self._transaction() as database:
            database.executemany("INSERT OR IGNORE INTO results VALUES (?, ?)", rows)
            database.executemany("DELETE FROM claims WHERE key = ?", [row[:1] for row in rows])

    def claim(self, keys: Collection[str]) -> set[str]:
        """Claim the ``keys`` that are not stored and not claimed by another live run.

        Returns the ``keys`` that this run has claimed, now or before.
        """
        with self._transaction() as database:
            self._drop_claims_of_the_dead(database)
            rows = [(key, self._run, key) for key in keys]
            database.executemany(
                "INSERT OR IGNORE INTO claims SELECT ?, ? "
                "WHERE NOT EXISTS (SELECT 1 FROM results WHERE key = ?)",
                rows,
            )
            mine: set[str] = set()
            for some in _portions(keys):
                found = database.execute(
                    f"SELECT key FROM claims WHERE run = ? AND key IN ({_marks(some)})",  # noqa: S608
                    [self._run, *some],
                )
                mine.update(key for (key,) in found)
        return mine

    def release(self, keys: Collection[str]) -> None:
        """Drop this run's claims on ``keys``, because it could not compute their records."""
        with self._transaction() as database:
            rows = [(key, self._run) for key in keys]
            database.executemany("DELETE FROM claims WHERE key = ? AND run = ?", rows)

    def _drop_claims_of_the_dead(self, database: sqlite3.Connection) -> None:
        """Drop the claims of runs that have ended."""
        runs = database.execute("SELECT DISTINCT run FROM claims").fetchall()
        dead = [run for (run,) in runs if run != self._run and not self._is_alive(run)]
        database.executemany("DELETE FROM claims WHERE run = ?", [(run,) for run in dead])

    def _is_alive(self, run: str) -> bool:
        """Whether the run still holds its lock; if not, its lock file is removed."""
        path = self._locks / run
        try:
            file = os.open(path, os.O_RDWR)
        except FileNotFoundError:
            return False
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        finally:
            os.close(file)
        path.unlink(missing_ok=True)
        return False

    def close(self) -> None:
        """Drop this run's claims and close the file; a new object can open it again."""
        with self._lock:
            with self._transaction() as database:
                database.execute("DELETE FROM claims WHERE run = ?", (self._run,))
            self._database.close()
            (self._locks / self._run).unlink(missing_ok=True)
            os.close(self._run_file)


def _portions(keys: Collection[str]) -> Iterator[list[str]]:
    """The keys in lists that are short enough for one statement."""
    listed = list(keys)
    for start in range(0, len(listed), _MANY):
        yield listed[start : start + _MANY]


def _marks(values: Collection[str]) -> str:
    """Question marks that stand for the values in a statement: ``?, ?, ?``."""
    return ", ".join("?" * len(values))
