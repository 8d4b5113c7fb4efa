"""Formats are loaded by name or by the path of a file."""

import shutil
from pathlib import Path

import pytest

from halfbyte.formats import FormatError, bundled, catalogue, load, names


def test_every_name_loads() -> None:
    assert tuple(fmt.name for fmt in bundled()) == names()
    assert len(names()) == len(list(catalogue.LIBRARY.glob("*.yaml"))) > 10
    assert list(names()) == sorted(names())


def test_a_users_file_loads_by_path(tmp_path: Path) -> None:
    copy = tmp_path / "copy.yml"
    shutil.copy(catalogue.LIBRARY / "e2m1_sp.yaml", copy)
    assert load(copy) == load(str(copy)) == load("e2m1_sp")


@pytest.mark.parametrize(
    ("reference", "nearest"),
    [("e2m1sp", "e2m1_sp"), ("int44", "int4"), ("E2M1", "e2m1"), ("SF-4", "sf4"), ("xyz", "")],
)
def test_an_unknown_name_gets_all_names_and_the_nearest(reference: str, nearest: str) -> None:
    with pytest.raises(FormatError) as caught:
        load(reference)
    message = str(caught.value)
    assert f"Unknown format {reference!r}" in message
    assert ", ".join(names()) in message
    hint = f"; did you mean {nearest}? known: " if nearest else "; known: "
    assert hint in message


def test_the_error_for_a_path_without_its_ending_suggests_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.yaml").write_text("name: mine\nvalues: [0, 1, 2, 3]\n")
    with pytest.raises(FormatError, match=r"'mine'; did you mean mine\.yaml\? known"):
        load("mine")


def test_a_file_in_the_users_folder_may_have_the_name_of_a_rounded_format(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HALFBYTE_HOME", str(tmp_path))
    (tmp_path / "formats").mkdir()
    path = tmp_path / "formats" / "normal_lut6.yaml"
    path.write_text("name: normal_lut6\nvalues: [0, 1, 2, 3]\n")
    assert load("normal_lut6").values == (0, 1, 2, 3)


@pytest.mark.parametrize(
    "reference", ["", "../int4", "int4\n", "int4@", "a" * 10_000, "*", "sf4@٦"]
)
def test_odd_references_are_unknown_formats(reference: str) -> None:
    with pytest.raises(FormatError, match="Unknown format"):
        load(reference)
