"""``compare_records.py``, which compares two folders of records."""

import json

from tests.tools.compare_records import compare


def write(folder, record):
    """Make a folder with a file of one record."""
    folder.mkdir()
    (folder / "synth.json").write_text(json.dumps([record]))
    return folder


def test_values_names_and_order_count_but_times_do_not(tmp_path):
    record = {"format": "int4", "area_um2": 2.0, "seconds": 1.0}
    before = write(tmp_path / "a", record)
    assert compare(before, write(tmp_path / "b", record | {"seconds": 2.0})) == (1, [])
    found = [
        compare(before, write(tmp_path / name, other))[1]
        for name, other in {
            "value": record | {"area_um2": 3.0},
            "type": record | {"area_um2": 2},
            "order": dict(reversed(record.items())),
            "name": record | {"cells": 3},
        }.items()
    ]
    assert found == [
        ["synth.json[0].area_um2: 2.0 before, 3.0 after"],
        ["synth.json[0].area_um2: 2.0 before, 2 after"],
        ["synth.json[0]: fields differ: another order"],
        ["synth.json[0]: fields differ: missing [], added ['cells']"],
    ]
    (tmp_path / "b/synth.json").unlink()
    assert compare(before, tmp_path / "b")[1] == ["synth.json: missing"]
