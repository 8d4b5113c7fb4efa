"""An append-only store of result records: one JSON object per line, keyed by content."""

import fcntl
import json
import os
from pathlib import Path
from typing import Any

__all__ = ["RecordStore"]


class RecordStore:
    """Records in a JSON Lines file; safe to share between processes and to kill at any time.

    A line is written with one call under a lock. A line that a killed process or a full disk left
    incomplete is skipped on reading and closed off before the next append.

    Parameters
    ----------
    path : Path
        The file; it and its folder are made on the first append.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._records: dict[str, dict[str, Any]] = {}
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
            try:
                entry = json.loads(line)
                self._records[entry["key"]] = entry["record"]
            except (ValueError, KeyError, TypeError):
                continue

    def get(self, key: str) -> dict[str, Any] | None:
        """The newest record under ``key``, or None."""
        self._refresh()
        return self._records.get(key)

    def append(self, key: str, record: dict[str, Any]) -> None:
        """Add ``record`` under ``key``; visible to every reader once this returns."""
        line = json.dumps({"key": key, "record": record}).encode() + b"\n"
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("ab+") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            end = file.seek(0, os.SEEK_END)
            if end:
                file.seek(end - 1)
                if file.read(1) != b"\n":
                    line = b"\n" + line
            file.write(line)
