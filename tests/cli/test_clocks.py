"""Clocks on the command line: how they are written, and how ``curve`` and ``synth`` use them."""

import csv
import json

import pytest

from halfbyte.area.synthesis import clocked
from halfbyte.area.timing.clocks import parse_clock
from halfbyte.base import UserError


@pytest.mark.parametrize(
    ("text", "period_ps"),
    [
        ("2ns", 2000),
        ("500ps", 500),
        ("500 PS", 500),
        (".5ns", 500),
        ("1.25us", 1_250_000),
        ("1GHz", 1000),
        ("1.2GHz", 833.333),
        ("250MHz", 4000),
        ("1fs", None),
        ("0ns", None),
        ("0Hz", None),
        ("-2ns", None),
        ("2", None),
        ("ns", None),
        ("2 parsecs", None),
        ("1e3ns", None),
        ("", None),
        ("10000us", None),
    ],
)
def test_a_clock_is_a_period_or_a_frequency(text, period_ps):
    if period_ps is None:
        with pytest.raises(UserError, match="A clock"):
            parse_clock(text)
    else:
        assert parse_clock(text) == period_ps


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("synth", "e1m2", "--clock", "fast"), "must read like 2ns, 500ps or 1.2GHz, not 'fast'"),
        (("synth", "e1m2", "--target", "asic"), "one of ice40, ecp5, xc7, not 'asic'"),
        (("synth", "e1m2", "--target", "ice40", "--clock", "2ns"), "not for --target"),
        (
            ("synth", "e1m2", "--operands", "gpt"),
            "must be a shipped set (minilm, bytelm) or a file",
        ),
        (("curve", "--formats", "int4,nope"), "nope"),
        (("curve", "--clocks", "2ns,soon"), "not 'soon'"),
        (("rank", "e1m2", "--techs", "tsmc5"), "Unknown technology 'tsmc5'"),
    ],
)
def test_errors_are_one_line(halfbyte, arguments, message):
    done = halfbyte(*arguments, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith("error: ") and message in done.stderr
    assert done.stderr.count("\n") == 1


UNIT = ("--arch", "sign_magnitude", "--terms", "4")


@pytest.mark.yosys
@pytest.mark.usefixtures("shared_store")
def test_curve_prints_writes_and_plots_its_results(halfbyte, tmp_path, monkeypatch):
    monkeypatch.setattr(clocked, "SECOND", clocked.SECOND[:2])  # a shorter search
    monkeypatch.setattr(clocked, "FINALISTS", 1)
    monkeypatch.setattr(clocked, "SAVED", clocked.SAVED[:1])
    monkeypatch.setattr(clocked, "SEGMENTS", (1,))
    done = halfbyte("curve", "e1m2", "--clocks", "20ns,100ps", *UNIT)
    assert "Area against clock" in done.stdout
    name = "sky130hd-e1m2-arch_sign_magnitude-terms_4-clocks_20ns_100ps"
    folder = tmp_path / "build" / "curve" / name
    with (folder / "area_clock_sky130hd.csv").open(newline="") as file:
        relaxed, impossible = csv.DictReader(file)
    assert (relaxed["clock_ps"], relaxed["wns_ps"]) == ("20000.0", "0.0")
    missed = float(impossible["delay_ps"]) - 100
    assert float(impossible["wns_ps"]) == pytest.approx(-missed, abs=0.1)
    assert missed > 500
    assert float(impossible["area_um2"]) > float(relaxed["area_um2"])
    data = json.loads((folder / "area_clock_sky130hd.json").read_text())
    assert [row["format"] for row in data] == ["e1m2", "e1m2"]
    for suffix, start in ((".png", b"\x89PNG"), (".svg", b"<?xml"), (".pdf", b"%PDF")):
        content = (folder / f"area_clock_sky130hd{suffix}").read_bytes()
        assert content.startswith(start) and len(content) > 5_000

    # A clock that is not met ends with exit status 3, but the results are still printed.
    missed = halfbyte("synth", "e1m2", "--clock", "100ps", *UNIT, check=False)
    assert missed.returncode == 3
    assert "clock not met: e1m2 misses 100 ps, WNS -" in missed.stderr
    assert "MAC: area, delay, energy" in missed.stdout
