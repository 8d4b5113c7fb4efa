"""Files that users name are read up to a limit. They may be pipes, but not devices."""

import os
from pathlib import Path

import pytest

from halfbyte.base.user_files import read_start


def test_no_more_is_read_than_was_asked_for(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"0123456789")
    assert read_start(path, 4) == b"0123"
    assert read_start(path, 99) == b"0123456789"


def test_a_pipe_is_read_to_its_end():
    reader, writer = os.pipe()
    with os.fdopen(reader), os.fdopen(writer, "wb") as file:
        file.write(b"text")
        file.close()
        assert read_start(Path(f"/dev/fd/{reader}"), 99) == b"text"


@pytest.mark.parametrize("name", ["/dev/zero", "link"])
def test_a_device_is_refused(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    Path("link").symlink_to("/dev/zero")
    with pytest.raises(OSError, match="it is a device, not a file"):
        read_start(Path(name), 99)
