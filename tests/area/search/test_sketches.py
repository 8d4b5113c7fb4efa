"""Sketches: quick estimates of which architecture gives the smallest MAC.

A sketch synthesizes only the addend, the part of a MAC before the accumulator's adder. It is the
multiplier, with gates that invert the multiplier's result if the product is negative.
"""

import pytest

from halfbyte.area import load_technology
from halfbyte.area.search.sketches import SketchJob
from halfbyte.area.search.synthesis_jobs import SynthesisJob
from halfbyte.area.synthesis.recipes import SKETCH
from halfbyte.formats import load
from halfbyte.rtl import MacSpec


@pytest.mark.yosys
@pytest.mark.parametrize("technology", ["sky130hd", "asap7"])
def test_mac_areas_differ_only_in_the_addend(technology, tmp_path, monkeypatch):
    monkeypatch.setenv("HALFBYTE_BUILD", str(tmp_path))
    card = load_technology(technology)
    designs = [
        MacSpec(load("int4"), load("int4"), architecture)
        for architecture in ("sign_magnitude", "baugh_wooley")  # the second never negates
    ]
    rest_of_mac = [
        SynthesisJob(design, SKETCH, card).run().area_um2
        - SketchJob(design, SKETCH, card).run().area_um2
        for design in designs
    ]
    assert rest_of_mac[0] == pytest.approx(rest_of_mac[1], abs=card.nand2_area)
    assert min(rest_of_mac) > designs[0].width * card.flip_flop.area
