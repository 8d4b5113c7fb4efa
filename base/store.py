"""An append-only store of result records: one JSON object per line, keyed by content."""

import fcntl
import hashlib
import os
from collections.abc import Mapping
from pathlib import Path

from halfbyte.base.strict_json import JsonObject, json_text, parse_json

__all__ = ["RecordStore"]


class RecordStore:
    """Records in a JSON Lines file; safe to share between processes and to kill at any time.

    A line is written with one call under a lock. A line that a killed process or a full disk left
    incomplete is skipped on reading and closed off before the next append. Each line has a digest
    of its record: one that was edited by hand is skipped, too, and so computed again.

    Parameters
    ----------
    path : Path
        The file; it and its folder are made on the first append.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._records: dict[str, JsonObject] = {}
        self._offset = 0
        self._file: tuple[int, int] | None = None  # device and inode of the file that was read

    def _forget(self, file: tuple[int, int] | None) -> None:
        self._records, self._offset, self._file = {}, 0, file

    def _refresh(self) -> None:
        """Read what was appended since the last look, by this process or another."""
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
        """The newest record under ``key``, or None."""
        self._refresh()
        return self._records.get(key)

    def append(self, key: str, record: JsonObject) -> None:
        """Add ``record`` under ``key``; visible to every reader once this returns."""
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
    """Digest of a record's JSON under its key, in hex digits."""
    return hashlib.sha256(f"{key}\n{text}".encode()).hexdigest()


def _read_line(line: bytes) -> tuple[str, JsonObject] | None:
    """Key and record of a line; None for one that is not whole, or not as it was written."""
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
