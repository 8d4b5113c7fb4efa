"""``halfbyte formats`` as a user runs it, and errors that concern formats in other commands."""

import json

import pytest


def test_lists_every_format(halfbyte):
    done = halfbyte("formats", "--json")
    records = {record["name"]: record for record in json.loads(done.stdout)}
    assert {"int4", "e2m1", "e2m1_sr", "e2m1_sp", "apot4", "nf4", "sf4", "e4m3"} <= set(records)
    assert records["e2m1_sp"]["integers"][8] == 10
    assert records["e2m1_sp"]["quantum"] == "1/2"


def test_describes_one_format(halfbyte):
    text = halfbyte("formats", "e2m1_sp").stdout
    assert "quantum     1/2" in text
    assert "Dotzel et al., 2024" in text
    assert "│ 1000 │       8 │     5 │" in text


def test_reads_a_users_file(halfbyte, tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text("name: mine\nvalues: [0, 1, 2, 4, 0, -1, -2, -4]\n")
    (record,) = json.loads(halfbyte("formats", str(path), "--json").stdout)
    assert (record["bits"], record["integers"]) == (3, [0, 1, 2, 4, 0, -1, -2, -4])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["formats", "e2m1sp"], "did you mean e2m1_sp?"),
        (["formats", "missing.yaml"], "missing.yaml: cannot be read (No such file or directory)"),
        (["synth", "e2m1", "--tech", "sky131"], "sky130hd"),
        (["synth", "e2m1", "--terms", "0"], "Number of terms must be 1 to 1048576, not 0"),
        (["synth", "e2m1", "--terms", str(10**30)], "Number of terms must be 1 to 1048576"),
        (["synth", "e2m1", "--arch", "sign_magnitud"], "sign_magnitude"),
        (["synth", "e2m1", "--liberty", "nowhere.lib"], "nowhere.lib"),
        (["synth", "e2m1", "--overflow", "clip"], "Overflow must be wrap or saturate, not 'clip'"),
        (["synth", "e2m1", "--activation", "int9"], "did you mean int8?"),
        (["sim", "e2m1", "--simulator", "vcs", "--arch", "sign_magnitude"], "verilator"),
        (["sim", "--waves"], "one format at a time"),
    ],
)
def test_errors_are_one_line_and_name_the_remedy(halfbyte, tmp_path, arguments, message):
    done = halfbyte(*arguments, check=False)
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.lstrip().startswith("error: ")  # blanks of a progress bar may come first
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stderr.strip().count("\n") == 0
    assert not list(tmp_path.rglob("*.jsonl"))


def test_unknown_command_is_a_usage_error(halfbyte):
    done = halfbyte("simulate", check=False)
    assert done.returncode == 2
    assert "No such command 'simulate'" in done.stderr


@pytest.mark.parametrize(
    "command",
    [
        "formats",
        "synth",
        "sim",
        "rtl",
        "evaluate",
        "recommend",
        "findings",
        "pareto",
        "bench",
        "tech",
    ],
)
def test_commands_have_a_help_text(halfbyte, command):
    text = halfbyte(command, "--help").stdout
    assert f"Usage: halfbyte {command}" in text
    assert "--help" in text
