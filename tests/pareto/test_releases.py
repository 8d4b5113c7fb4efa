"""Records of releases, with areas and speeds, are read, compared and drawn."""

import json
from pathlib import Path

import pytest

from halfbyte.base import UserError
from halfbyte.base.figures import FIGURE_KINDS
from halfbyte.pareto.releases import ReleaseRecord, read_releases, release_rows, write_releases
from tests.factory import sample

ROOT = Path(__file__).resolve().parents[2]
MADE_UP = {"0.9.0": {"int4": 1000.0, "e2m1": 1100.0}, "0.10.0": {"int4": 990.0, "mine": 1200.0}}


@pytest.fixture
def files(tmp_path):
    """Files with the records of two made-up releases."""
    written = []
    for release, areas in MADE_UP.items():
        record = sample(
            ReleaseRecord, release=release, areas_um2=areas, codec_gb_per_second={"decode": 1.5}
        )
        written.append(tmp_path / f"release-{release}.json")
        written[-1].write_text(json.dumps(record.as_json()))
    return sorted(written)


def test_releases_are_listed_in_order_with_the_last_change(files):
    records = read_releases(files)
    assert [record.release for record in records] == ["0.9.0", "0.10.0"]
    columns, rows = release_rows(records)
    assert columns == ["format", ">0.9.0 µm²", ">0.10.0 µm²", ">last change"]
    assert rows == [
        ["int4", "1,000.0", "990.0", "-1.0 %"],
        ["e2m1", "1,100.0", "-", "-"],
        ["mine", "-", "1,200.0", "-"],
    ]


@pytest.mark.parametrize("count", [1, 2])
def test_one_or_two_releases_are_drawn(files, tmp_path, count):
    written = write_releases(read_releases(files[-count:]), tmp_path / "out")
    plots = ("release_areas", "release_speeds")
    assert {path.name for path in written} == {f"{p}.{k}" for p in plots for k in FIGURE_KINDS}
    svg = (tmp_path / "out" / "release_areas.svg").read_text()
    assert all(name in svg for name in ("int4", "e2m1", "0.9.0"))


def test_files_that_are_not_records_of_releases_are_refused(files, tmp_path):
    with pytest.raises(UserError, match="no record of a release: make one"):
        read_releases([])
    with pytest.raises(UserError, match=r"two records of release 0\.9\.0"):
        read_releases([files[1], files[1]])
    (tmp_path / "bad.json").write_text("[1]")
    with pytest.raises(UserError, match=r"bad\.json is not a record of a release"):
        read_releases([tmp_path / "bad.json"])


def test_the_records_of_this_repository_are_read():
    records = read_releases(sorted((ROOT / "docs" / "records").glob("release-*.json")))
    assert {"int4", "e2m1"} <= records[-1].areas_um2.keys()
