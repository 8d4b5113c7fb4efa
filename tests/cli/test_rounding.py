"""A format whose values are decimal fractions needs wide integers.

``synth`` then also prints the areas of MACs whose values are rounded to a few bits.
"""

from dataclasses import replace

import pytest

from halfbyte.area import load_technology, synthesize
from halfbyte.cli import rounding
from halfbyte.cli.rounding import rounded_areas, rounding_lines
from halfbyte.formats import load
from halfbyte.rtl import MacSpec


@pytest.mark.yosys
def test_areas_are_those_of_the_rounded_format(tmp_path, monkeypatch):
    monkeypatch.setenv("HALFBYTE_BUILD", str(tmp_path / "build"))
    monkeypatch.setattr(rounding, "_BITS", (6,))
    path = tmp_path / "decimals.yaml"
    path.write_text("{name: decimals, values: [0, 0.3379, 1, -0.6962]}")
    name = str(path)
    spec = MacSpec(load(name), load(name), "sign_magnitude", terms=4)
    technology = load_technology()
    areas = rounded_areas([name], [spec], technology, clock_ps=None, jobs=1)
    table = load(f"{name}@6")
    (record,) = synthesize(
        [replace(spec, weight=table, activation=table)], technology, prove=False, jobs=1
    )
    assert areas == {"decimals_lut6": record.area_um2}
    _, line = rounding_lines(name, spec, areas)
    assert f"@6: {record.area_um2:,.1f} µm², 6 bits per value" in line
    narrow = replace(spec, acc_width=20)
    assert rounded_areas([name], [narrow], technology, clock_ps=None, jobs=1) == {}
    assert rounded_areas(["int4"], [], technology, clock_ps=None, jobs=1) == {}
