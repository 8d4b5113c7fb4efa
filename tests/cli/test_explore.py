"""``halfbyte explore``, which synthesizes every design of a space given as a YAML file."""

import json

import pytest

SPACE = """
name: mine
title: A few formats
formats: [int4, e2m1_sp]
architectures: [sign_magnitude]
"""


@pytest.mark.yosys
@pytest.mark.slow
def test_explores_resumes_and_reports(halfbyte, tmp_path):
    (tmp_path / "mine.yaml").write_text(SPACE)
    first = halfbyte("explore", "mine.yaml", "--json")
    records = json.loads(first.stdout)
    assert [record["format"] for record in records] == ["int4", "e2m1_sp"]
    assert (tmp_path / "build" / "records" / "explore.sqlite").is_file()
    again = halfbyte("explore", "mine.yaml", "--report", "--accuracy", "normal", "--jobs", "1")
    assert "2 designs: 0 synthesized" in again.stdout
    assert "E2M1+SP" in again.stdout
    assert "Acc: bits of the accumulator. Over base: " in " ".join(again.stdout.split())
    assert again.stdout.count("proved") == 2
    folder = tmp_path / "build" / "explore" / "mine-accuracy_normal"
    rows = json.loads((folder / "candidates.json").read_text())
    assert [row["area_um2"] for row in rows] == [record["area_um2"] for record in records]
    assert (folder / "frontier.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nosuch"], "Unknown space 'nosuch'; "),
        (["none.yaml"], "none.yaml: cannot be read"),
        (["bad.yaml"], "bad.yaml: Unknown format 'int44'; did you mean int4?"),
        (
            ["mine.yaml", "--scheduler", "there"],
            "A scheduler's address must look like tcp://host:8786",
        ),
        (["mine.yaml", "--scheduler", "tcp://127.0.0.1:1", "--jobs", "2"], "give only one of them"),
        (["mine.yaml", "--store", "mine.yaml"], "cannot be used as a store"),
        (["mine.yaml", "--report", "--accuracy", "t1"], "nu must be 2.01"),
    ],
)
def test_mistakes_end_in_one_line_before_any_work(halfbyte, tmp_path, arguments, message):
    (tmp_path / "mine.yaml").write_text(SPACE)
    (tmp_path / "bad.yaml").write_text("name: bad\nformats: [int44]\n")
    done = halfbyte("explore", *arguments, check=False)
    assert done.returncode == 1
    assert message in done.stderr
    assert done.stderr.count("\n") == 1
    assert "Traceback" not in done.stderr
