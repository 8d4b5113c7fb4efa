"""Sketches of MACs: areas of their addends differ as the areas of the whole MACs do."""

import pytest

from halfbyte.area import load_technology
from halfbyte.area.search.sketches import SketchJob
from halfbyte.area.search.synthesis_jobs import SynthesisJob
from halfbyte.area.synthesis.recipes import SKETCH
from halfbyte.formats import load
from halfbyte.rtl import MacSpec


@pytest.mark.yosys
@pytest.mark.parametrize("technology", ["sky130hd", "asap7"])
def test_sketches_differ_as_the_macs_do(technology, tmp_path, monkeypatch):
    monkeypatch.setenv("HALFBYTE_BUILD", str(tmp_path))
    card = load_technology(technology)
    designs = [
        MacSpec(load("int4"), load("int4"), architecture)
        for architecture in ("sign_magnitude", "baugh_wooley")  # the second never negates a term
    ]
    around = [
        SynthesisJob(design, SKETCH, card).run().area_um2
        - SketchJob(design, SKETCH, card).run().area_um2
        for design in designs
    ]
    assert around[0] == pytest.approx(around[1], abs=card.nand2_area)
    assert min(around) > designs[0].width * card.flip_flop.area
