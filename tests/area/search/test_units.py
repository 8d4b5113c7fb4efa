"""Synthesis records of the DFloat11 decoder and the BF16 MAC.

The decoder decompresses BF16 weights. Each of its lanes decodes one stream, and all lanes share one
code table. A decoder with fixed codes has no table.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from halfbyte.area.cells.technology import load_technology
from halfbyte.area.search.units import (
    synthesize_bf16_mac,
    synthesize_decoder,
    synthesize_fixed_decoder,
)
from halfbyte.area.synthesis.recipes import QUICK
from halfbyte.area.synthesis.yosys import synthesize_rtlil
from halfbyte.area.timing.delay import inverter_delay
from halfbyte.base import UserError
from halfbyte.rtl import to_rtlil
from halfbyte.rtl.dfloat11 import Decoder

pytestmark = pytest.mark.yosys


@pytest.fixture(scope="module", autouse=True)
def build(shared_build: Path) -> Iterator[None]:
    """Use one store for the session, so that each unit is synthesized only once."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HALFBYTE_BUILD", str(shared_build))
        yield


@pytest.mark.slow
def test_a_decoder_is_the_sum_of_its_parts(tmp_path: Path) -> None:
    technology = load_technology("sky130hd")
    record = synthesize_decoder(technology, lanes=2)
    assert record.unit == "dfloat11"
    assert record.area_um2 == pytest.approx(record.table_um2 + 2 * record.lane_um2)
    assert record.um2_per_lane == pytest.approx(record.area_um2 / 2)
    assert record.proof.status == "proved"
    parts = ("lane_netlist", "table_netlist", "progress")
    assert {getattr(record.proof, part) for part in parts} == {"proved"}
    assert 0 < record.clock_energy_fj < record.energy_fj
    assert record.leakage_nw > 0
    assert record.seconds > 0
    assert record.delay_ps > 0
    # Synthesis of the whole decoder in one piece saves hardly any area.
    whole = synthesize_rtlil(
        to_rtlil(Decoder(lanes=2), "unit"), technology, QUICK, tmp_path / "whole", "unit"
    )
    assert whole.area_um2 == pytest.approx(record.area_um2, rel=0.05)
    assert whole.register_um2 == pytest.approx(record.register_um2, rel=0.02)


@pytest.mark.parametrize("name", ["sky130hd", "asap7"])
def test_a_bf16_mac_is_many_times_as_large_as_an_int4_mac(name: str) -> None:
    record = synthesize_bf16_mac(load_technology(name))
    assert record.unit == "bf16_mac"
    assert 1500 < record.area_ge < 3000  # an INT4 MAC has less than 280
    assert record.proof.status == record.proof.netlist == "proved"
    assert 0 < record.clock_energy_fj < record.energy_fj
    parts = record.multiplier_um2 + record.accumulator_um2 + record.register_um2
    assert parts == pytest.approx(record.area_um2)
    # The MAC multiplies, shifts, adds, counts leading zeros and rounds in one cycle. The limits are
    # wide: they only exclude a delay in a wrong unit of time.
    assert 40 < record.delay_ps / inverter_delay(load_technology(name)) < 1000


def test_results_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    technology = load_technology("sky130hd")
    first = synthesize_bf16_mac(technology)
    monkeypatch.setattr("halfbyte.area.search.units.synthesize_rtlil", None)
    monkeypatch.setattr("halfbyte.area.search.units.prove_unit", None)
    assert synthesize_bf16_mac(technology) == first


def test_too_many_lanes_are_refused() -> None:
    with pytest.raises(UserError, match="1 to 64 lanes, not 65"):
        synthesize_decoder(load_technology("sky130hd"), lanes=65)


@pytest.mark.slow
def test_a_lane_without_a_table_is_smaller_than_the_mac() -> None:
    technology = load_technology("sky130hd")
    one, two = (
        synthesize_fixed_decoder(technology, lanes=4, symbols=symbols) for symbols in (1, 2)
    )
    assert one.area_um2 == pytest.approx(4 * one.lane_um2)
    assert (one.table_um2, one.rows) == (None, None)
    assert one.lane_um2 < 0.7 * synthesize_bf16_mac(technology).area_um2
    assert two.um2_per_symbol == pytest.approx(two.lane_um2 / 2)
    assert two.um2_per_symbol < one.um2_per_symbol
    page = (Path(__file__).parents[3] / "docs" / "dfloat11_hardware.md").read_text()
    for record in (one, two):
        assert f"| {record.lane_um2:,.1f} | - | {record.um2_per_symbol:,.1f} |" in page
        assert record.proof.lane_netlist == record.proof.progress == "proved"
        assert 0 < record.clock_energy_fj < record.energy_fj
