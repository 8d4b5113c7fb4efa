"""Commands in a process of their own. Most other tests run commands in pytest's process."""

import json
import subprocess
import sys

# Runs command lines one after another and checks that none imports PyTorch.
_WITHOUT_TORCH = """
import sys
from halfbyte.cli import main
for line in sys.argv[1:]:
    sys.argv = ["halfbyte", *line.split()]
    try:
        main()
    except SystemExit as end:
        assert "'nowhere' is not a model" in str(end.code), (line, end.code)
    assert "torch" not in sys.modules, line
"""


def test_a_result_goes_to_standard_output(halfbyte_process):
    (record,) = json.loads(halfbyte_process("formats", "int4", "--json").stdout)
    assert record["name"] == "int4"


def test_an_error_is_one_line_with_exit_status_1(halfbyte_process):
    done = halfbyte_process("formats", "int44", check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("error: ") and done.stderr.count("\n") == 1


def test_a_usage_error_has_exit_status_2(halfbyte_process):
    done = halfbyte_process("simulate", check=False)
    assert done.returncode == 2
    assert "No such command 'simulate'" in done.stderr


def test_a_wrong_model_is_an_error_before_pytorch_is_imported(tmp_path):
    lines = [
        "profile nowhere",
        "derive student_t --from nowhere",
        "entropy nowhere",
        "evaluate nowhere",
        "quantize nowhere int4",
        "operands nowhere -o x.npz",
        "run nowhere int4 --layer x",
        "explore supernormal --report --accuracy nowhere",
    ]
    command = [sys.executable, "-c", _WITHOUT_TORCH, *lines]
    subprocess.run(command, cwd=tmp_path, check=True)
