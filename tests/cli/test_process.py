"""The installed command in a process of its own; other tests call it within theirs."""

import json


def test_a_result_goes_to_standard_output(halfbyte_process):
    (record,) = json.loads(halfbyte_process("formats", "int4", "--json").stdout)
    assert record["name"] == "int4"


def test_an_error_is_one_line_and_a_status(halfbyte_process):
    done = halfbyte_process("formats", "int44", check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("error: ") and done.stderr.count("\n") == 1


def test_a_usage_error_has_a_status_of_its_own(halfbyte_process):
    done = halfbyte_process("simulate", check=False)
    assert done.returncode == 2
    assert "No such command 'simulate'" in done.stderr
