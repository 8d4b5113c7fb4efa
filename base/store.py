"""A store of records: a file with one JSON object per line. Lines are only added, never changed."""

import fcntl
import hashlib
import os
from collections.abc import Mapping
from pathlib import Path

from halfbyte.base.strict_json import JsonObject, json_text, parse_json

__all__ = ["RecordStore"]


class RecordStore:
    """Records in a JSON Lines file, which several processes may use at the same time.

    A process writes each line with one call, under a lock. If the process is killed or the disk is
    full, the last line may be incomplete. Readers skip such a line, and the next writer starts a
    new one.
    Each line has a digest of its key and record. Readers skip a line with a wrong digest, for
    example after an edit by hand, as if the line did not exist.

    Parameters
    ----------
    path : Path
        The file. It is created with its folder when the first record is added.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._records: dict[str, JsonObject] = {}
        self._offset = 0
        self._file: tuple[int, int] | None = None  # device and inode of the file that was read

    def _forget(self, file: tuple[int, int] | None) -> None:
        self._records, self._offset, self._file = {}, 0, file

    def _refresh(self) -> None:
        """Read the lines that this process or others have added since the last call."""
        try:
            status = self.path.stat()
        except FileNotFoundError:
            self._forget(None)
            return
        file_now = (status.st_dev, status.st_ino)
        if file_now != self._file or status.st_size < self._offset:  # new, replaced or cut
            self._forget(file_now)
        if status.st_size == self._offset:
            return
        with self.path.open("rb") as file:
            file.seek(self._offset)
            data = file.read()
        complete = data[: data.rfind(b"\n") + 1]
        self._offset += len(complete)
        for line in complete.splitlines():
            if found := _read_line(line):
                key, record = found
                self._records[key] = record

    def get(self, key: str) -> JsonObject | None:
        """The newest record with this key, or None."""
        self._refresh()
        return self._records.get(key)

    def append(self, key: str, record: JsonObject) -> None:
        """Add ``record`` under ``key``. Once this returns, every reader finds it."""
        text = json_text(record)
        entry = {"key": key, "record": record, "digest": _digest(key, text)}
        line = json_text(entry).encode() + b"\n"
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("ab+") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            end = file.seek(0, os.SEEK_END)
            if end:
                file.seek(end - 1)
                if file.read(1) != b"\n":
                    line = b"\n" + line
            file.write(line)


def _digest(key: str, text: str) -> str:
    """Digest of a key and its record's JSON, in hex digits."""
    return hashlib.sha256(f"{key}\n{text}".encode()).hexdigest()


def _read_line(line: bytes) -> tuple[str, JsonObject] | None:
    """Key and record of a line; None if the line is incomplete or was changed."""
    try:
        entry = parse_json(line)
    except ValueError:
        return None
    if not isinstance(entry, Mapping):
        return None
    key, record = entry.get("key"), entry.get("record")
    if not isinstance(key, str) or not isinstance(record, Mapping):
        return None
    return (key, record) if entry.get("digest") == _digest(key, json_text(record)) else None
