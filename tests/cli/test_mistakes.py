"""Likely mistakes in the arguments and options of every command end in a message of one line."""

import pytest
from typer.testing import CliRunner

from halfbyte.cli.app import app
from halfbyte.cli.commands import COMMANDS
from halfbyte.cli.honoured import HONOURED

# Wrong values of each parameter: missing, damaged or empty files, misspelt names, impossible
# numbers, paths that cannot be written.
FORMAT = ("int44", "none.yaml", "empty.yaml", "records.json")
WRONG = {
    "names": FORMAT,
    "name": FORMAT,
    "fmt": FORMAT,
    "formats": ("int44",),
    "activation": FORMAT[:1],
    "tech": ("sky13", "none.yaml", "empty.yaml"),
    "techs": ("sky13",),
    "liberty": ("none.lib", "empty.lib", "junk.bin"),
    "clock": ("5", "0ns"),
    "clocks": ("1ns,5",),
    "arch": ("boot",),
    "terms": ("0",),
    "acc_width": ("0",),
    "overflow": ("stop",),
    "operands": ("none.npz", "junk.bin"),
    "effort": ("0",),
    "output": ("/dev/null/x",),
    "unit": ("mca",),
    "lanes": ("0",),
    "scale": ("e9m9",),
    "block": ("0",),
    "accumulator": ("fp99",),
    "window": ("x",),
    "dataflow": ("sideways",),
    "rows": ("0",),
    "columns": ("0",),
    "codes": ("none",),
    "symbols": ("9",),
    "target": ("fpga",),
    "simulator": ("vcs",),
    "seed": ("-1",),
    "cycles": ("0",),
    "count": ("0",),
    "device": ("tpu",),
    "dut": ("none.v", "empty.v"),
    "model": ("nowhere", "folder", "records.json"),
    "recipe": ("w99", "none.yaml", "empty.yaml"),
    "text": ("none.txt", "empty.yaml"),
    "context": ("1",),
    "bos": ("here",),
    "task_limit": ("0",),
    "width": ("1",),
    "axis": ("areas",),
    "array": ("none.yaml", "empty.yaml"),
    "max_loss": ("x", "300%"),
    "max_area": ("-1",),
    "files": ("none.json", "empty.yaml", "junk.bin"),
    "before": ("none.json", "empty.yaml"),
    "after": ("none.json", "empty.yaml"),
    "tolerance": ("x", "200%"),
    "fo4": ("0",),
    "moves": ("0",),
    "seeds": ("0",),
    "nu": ("0", "nan"),
    "bits": ("99",),
    "lut_bits": ("99",),
    "method": ("best",),
    "from_model": ("nowhere",),
    "distribution": ("gauss",),
    "space": ("none.yaml", "empty.yaml"),
    "source": ("nowhere", "folder", "empty.safetensors", "junk.bin"),
    "layout": ("best",),
    "steps": ("0",),
    "batch": ("0",),
    "folder": ("nowhere",),
    "tokens": ("0",),
    "jobs": ("0",),
}
# Parameters that take any text, or that can only be checked after something was computed.
FREE = {
    *("dont_use", "top", "port", "tie", "latency", "junit", "tasks", "store", "format_name"),
    *("mac_share", "memory_share", "layer", "entropy", "config", "scheduler", "accuracy"),
    *("segment", "depth", "task_folder"),
}
ARRAY = ("rows", "columns", "dataflow")
# Words that a command line needs besides the wrong option. They are listed by command, or by
# (command, parameter) if this parameter needs other words.
NEEDED = {
    "recommend": "int4 --max-loss 1%",
    "run": "minilm int4 --layer x --energy",
    "evaluate": "minilm",
    "profile": "minilm",
    "quantize": "minilm int4",
    "operands": "minilm -o x.npz",
    "entropy": "minilm int4",
    "diff": "records.json records.json",
    "derive": "normal",
    "explore": "supernormal",
    "assign": "int4",
    "gates": "int4",
    "compress": "folder -o x",
    "decompress": "folder -o x",
    "verify": "folder",
    "info": "folder",
    **{("pareto", name): "--unit array" for name in ARRAY},
    **{("recommend", name): "--max-loss 1% --unit array" for name in ARRAY},
    **{("rank", name): "--levels" for name in ARRAY},
    **dict.fromkeys([("pareto", "lanes"), ("pareto", "scale")], "--unit dot"),
    ("pareto", "array"): "--unit array",
    **dict.fromkeys([("recommend", "lanes"), ("recommend", "scale")], "--max-loss 1% --unit dot"),
    ("recommend", "max_area"): "int4",
    **dict.fromkeys([("rank", "lanes"), ("rank", "scale"), ("rank", "width")], "--levels"),
    ("operands", "codes"): "minilm -o x.npz --packets",
    ("sim", "dut"): "int4",
    **dict.fromkeys([("derive", "nu"), ("derive", "from_model")], "student_t"),
    ("releases", "names"): "--record",
    **dict.fromkeys(
        [("explore", "block"), ("explore", "width"), ("explore", "output")], "supernormal --report"
    ),
}
# Pairs of command and parameter that are not tested: any name is allowed there, or the text is not
# read because the model has its own.
ANYTHING = {
    ("derive", "name"),
    ("assign", "name"),
    ("pareto", "text"),
    ("recommend", "text"),
    ("evaluate", "text"),
}
# The ending that an output file must have.
SUFFIXES = {"derive": ".yaml", "assign": ".yaml", "gates": ".v", "operands": ".npz"}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Work in a folder with the files that the command lines name."""
    for name in ("empty.yaml", "empty.lib", "empty.v", "empty.safetensors"):
        (tmp_path / name).touch()
    (tmp_path / "junk.bin").write_bytes(bytes(range(256)))
    (tmp_path / "records.json").write_text('[{"format": "int4", "technology": "sky130hd"}]')
    (tmp_path / "folder").mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("HALFBYTE_BUILD", raising=False)
    return tmp_path


def unit_options(command, name):
    """Words that choose the first unit for which an option has an effect; empty if not needed."""
    for unit, honoured in HONOURED.get(command, {}).items():
        if name in honoured.split():
            return "" if unit == "mac" or unit.startswith("--") else f"--unit {unit}"
    return ""


def lines(command):
    """A command line for each mistake, and the wrong word in it."""
    parameters = COMMANDS[command].load(command).params
    positional = [each.name for each in parameters if each.param_type_name == "argument"]
    for parameter in parameters:
        name = parameter.name
        if getattr(parameter, "is_flag", False) or (command, name) in ANYTHING:
            continue
        for wrong in WRONG.get(name, ()):
            needed = NEEDED.get((command, name), NEEDED.get(command, ""))
            words, dash, more = needed.partition("-")
            words, more = words.split(), f"{dash}{more} {unit_options(command, name)}".split()
            if name in positional:
                place = positional.index(name)
                words[place : place + 1] = [wrong]
            else:
                ending = SUFFIXES.get(command, "") if name == "output" else ""
                more += [parameter.opts[0], wrong + ending]
            yield [command, *words, *more], wrong.split(",")[-1]


def test_every_parameter_is_in_the_table():
    known = {
        parameter.name
        for command in COMMANDS
        for parameter in COMMANDS[command].load(command).params
        if not getattr(parameter, "is_flag", False)
    }
    assert known - WRONG.keys() == FREE


@pytest.mark.parametrize("command", [name for name in COMMANDS if name != "tech"])
def test_a_mistake_ends_in_one_line(folder, command):
    for words, wrong in lines(command):
        done = CliRunner().invoke(app, words)
        said = str(done.exception) if isinstance(done.exception, ValueError) else done.output
        assert done.exit_code in (1, 2), (words, done.output)
        assert "Traceback" not in said and said.strip().count("\n") == 0, (words, said)
        assert wrong in said, (words, said)
