"""BF16 weights compressed by DFloat11, as a point beside the quantized formats.

The hardware of the point is a BF16 MAC and a share of a decoder. Several MACs use the weights that
a lane of the decoder gives.
"""

from dataclasses import replace
from typing import Any

import pytest

from halfbyte.area.search.unit_records import Bf16MacRecord, DecoderRecord
from halfbyte.base import UserError
from halfbyte.pareto.frontier import Point, frontier
from halfbyte.pareto.lossless import lossless_point, lossless_record
from tests.factory import sample

AREAS: dict[str, Any] = {"technology": "sky130hd", "area_um2": 8000.0, "area_ge": 2000.0}


MAC = sample(
    Bf16MacRecord,
    delay_ps=9000.0,
    energy_fj=9000.0,
    clock_energy_fj=1000.0,
    leakage_nw=4.0,
    **AREAS,
)
DECODER = sample(
    DecoderRecord,
    **AREAS,
    um2_per_lane=16_000.0,
    lanes=8,
    codes="table",
    symbols=1,
    delay_ps=5000.0,
    energy_fj=16_000.0,
    clock_energy_fj=8000.0,
    leakage_nw=128.0,
)


def test_the_area_of_a_lane_is_divided_among_its_macs() -> None:
    shared = lossless_record(MAC, DECODER, macs_per_weight=16, bits_per_weight=10.9)
    assert shared.area_um2 == 8000 + 1000
    assert shared.area_ge == 2250
    assert shared.decoder_um2 == 1000
    assert (shared.loss, shared.bits_per_weight) == (0, 10.9)
    assert shared.delay_ps == 9000
    assert lossless_record(MAC, DECODER, macs_per_weight=1).area_um2 == 24_000


def test_a_lane_that_decodes_two_weights_a_cycle_serves_twice_as_many_macs() -> None:
    both = lossless_record(MAC, replace(DECODER, symbols=2), macs_per_weight=16)
    assert (both.decoder_um2, both.macs_per_lane) == (500, 32)
    assert both.energy_fj == 10_000  # the decoder's energy is per weight already
    assert both.leakage_nw == 4 + 128 / (8 * 32)


def test_energy_and_leakage_of_a_lane_are_divided_too() -> None:
    shared = lossless_record(MAC, DECODER, macs_per_weight=16)
    assert (shared.energy_fj, shared.clock_energy_fj) == (10_000, 1500)
    assert shared.leakage_nw == 4 + 128 / (8 * 16)
    unknown = replace(DECODER, energy_fj=None, not_measured="no tables")
    shared = lossless_record(MAC, unknown)
    assert (shared.energy_fj, shared.not_measured) == (None, "no tables")


def test_the_proof_is_complete_only_if_both_parts_are_proved() -> None:
    assert lossless_record(MAC, DECODER).proof.status == "proved"
    undecided = replace(DECODER, proof=replace(DECODER.proof, status="undecided"))
    proof = lossless_record(MAC, undecided).proof
    assert (proof.status, proof.mac, proof.decoder) == ("undecided", "proved", "undecided")


def test_without_a_delay_of_the_decoder_the_delay_is_unknown() -> None:
    assert lossless_record(MAC, replace(DECODER, delay_ps=None)).delay_ps is None


def test_the_point_is_the_lossless_end_of_a_frontier() -> None:
    point = lossless_point(lossless_record(MAC, DECODER), 1.0)
    assert point == Point("bf16_dfloat11", 9000, 1.0)
    assert frontier([Point("int4", 1000, 0.95), point])[-1] == point


def test_records_must_fit_together() -> None:
    with pytest.raises(UserError, match="both in one technology"):
        lossless_record(MAC, replace(DECODER, versions={"card": "other"}, technology="asap7"))
    with pytest.raises(UserError, match="MACs per weight must be at least 1, not 0"):
        lossless_record(MAC, DECODER, macs_per_weight=0)
