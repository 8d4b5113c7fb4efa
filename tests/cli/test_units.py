"""``--unit dfloat11`` (a decoder of compressed weights) and ``--unit bf16_mac``."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from halfbyte.base import UserError
from halfbyte.cli.app import app
from halfbyte.cli.units import check_codes, check_unit


def test_formats_belong_to_units_that_take_one() -> None:
    assert not check_unit("mac", ["int4"])
    assert check_unit("dfloat11", None)
    with pytest.raises(UserError, match="takes no format: leave out 'int4'"):
        check_unit("dfloat11", ["int4"])


def test_codes_and_symbols_a_cycle_must_fit_together() -> None:
    assert not check_codes("table")
    assert check_codes("fixed", 2)
    with pytest.raises(UserError, match="must be table or fixed, not 'huffman'"):
        check_codes("huffman")
    with pytest.raises(UserError, match="1 or 2 symbols a cycle, not 3"):
        check_codes("fixed", 3)
    with pytest.raises(UserError, match="1 symbol a cycle, not 2: add --codes fixed"):
        check_codes("table", 2)


@pytest.mark.yosys
@pytest.mark.slow
def test_a_decoder_is_proved_and_shown(shared_build: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HALFBYTE_BUILD", str(shared_build))
    arguments = ["prove", "--unit", "dfloat11", "--codes", "fixed", "--lanes", "3", "--json"]
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 0, done.exception
    claims = {record["part"]: record["status"] for record in json.loads(done.stdout)}
    assert claims == dict.fromkeys(("lane netlist", "progress", "specification"), "proved")
    arguments = ["synth", *arguments[1:-1]]
    shown = " ".join(CliRunner().invoke(app, arguments).stdout.split())
    # A lane with fixed codes has no table, so its netlist is the only one to prove.
    assert "Equality with the RTL: lane netlist proved. " in shown


@pytest.mark.yosys
@pytest.mark.parametrize(
    ("unit", "options", "module"),
    [
        ("dfloat11", ["--lanes", "3"], "dfloat11_3_lanes"),
        (
            "dfloat11",
            ["--lanes", "3", "--codes", "fixed", "--symbols", "2"],
            "dfloat11_fixed_3_lanes_2",
        ),
        ("bf16_mac", [], "bf16_mac"),
    ],
)
def test_verilog_is_written(unit: str, options: list[str], module: str, tmp_path: Path) -> None:
    arguments = ["rtl", "--unit", unit, *options, "-o", str(tmp_path), "--json"]
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 0
    (record,) = json.loads(done.stdout)
    assert f"module {module}(" in Path(record["verilog"]).read_text()
