"""Files written atomically, and the folder that results go to."""

import stat
from pathlib import Path

import pytest

from halfbyte.base import UserError, build_dir, write_atomically
from halfbyte.base.files import partial_file, publish


def test_text_and_bytes_are_written_whole(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "er" / "file.txt"
    write_atomically(path, "µm² ≥ 0\n")
    assert path.read_bytes() == "µm² ≥ 0\n".encode()
    write_atomically(path, b"\x00\xff")
    assert path.read_bytes() == b"\x00\xff"


def test_nothing_is_left_beside_the_file(tmp_path: Path) -> None:
    write_atomically(tmp_path / "a", "1")
    write_atomically(tmp_path / "a", "2")
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_a_failed_write_leaves_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a"
    write_atomically(path, "old")

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Path, "replace", interrupted)
    with pytest.raises(KeyboardInterrupt):
        write_atomically(path, "new")
    assert path.read_text() == "old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["a"]


def test_the_file_has_the_usual_permissions(tmp_path: Path) -> None:
    usual = tmp_path / "usual"
    usual.touch()
    write_atomically(tmp_path / "a", "1")
    modes = [stat.S_IMODE(path.stat().st_mode) for path in (usual, tmp_path / "a")]
    assert modes[0] == modes[1]


def test_errors_of_the_operating_system_reach_the_caller(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match="file"):
        write_atomically(tmp_path / "file" / "a", "1")


@pytest.mark.parametrize("replace", [False, True])
def test_a_file_does_not_replace_a_folder(tmp_path: Path, replace: bool) -> None:
    path = tmp_path / "a"
    path.mkdir()
    with partial_file(path) as partial, pytest.raises(UserError, match="a exists already"):
        publish(partial, path, replace=replace)
    assert path.is_dir()


def test_results_go_to_the_folder_in_halfbyte_build_or_to_build(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HALFBYTE_BUILD", str(tmp_path))
    assert build_dir() == tmp_path
    for unset in ("", None):
        if unset is None:
            monkeypatch.delenv("HALFBYTE_BUILD")
        else:
            monkeypatch.setenv("HALFBYTE_BUILD", unset)
        assert build_dir() == Path("build")
