"""MACs on FPGAs: the resources in their records, and the choice of the best architecture."""

import pytest

from halfbyte.area import load_technology, synthesize
from halfbyte.area.search.fpga import TARGETS, pick_target, synthesize_fpga
from halfbyte.base import UserError
from halfbyte.formats import load
from halfbyte.rtl import MacSpec


@pytest.fixture(autouse=True)
def build(monkeypatch, tmp_path):
    monkeypatch.setenv("HALFBYTE_BUILD", str(tmp_path / "build"))


@pytest.fixture(scope="module")
def design():
    fmt = load("e1m2")
    return MacSpec(fmt, fmt, "sign_magnitude", 4)


@pytest.mark.yosys
@pytest.mark.parametrize("name", list(TARGETS))
def test_a_mac_takes_luts_and_one_flip_flop_for_each_bit(name, design):
    (record,) = synthesize_fpga([design], TARGETS[name])
    assert record.technology == name
    assert record.flip_flops == record.acc_width == design.width
    assert 10 < record.luts < 100
    assert 2 <= record.carry_cells < record.luts
    assert record.area_um2 is record.delay_ps is record.energy_fj is None


@pytest.mark.yosys
def test_records_have_the_fields_of_other_records(design):
    (fpga,) = synthesize_fpga([design], TARGETS["ice40"])
    (cells,) = synthesize([design], load_technology("sg13g2"), prove=False)
    assert list(fpga.as_json()) == list(cells.as_json())
    assert cells.luts is cells.carry_cells is None


@pytest.mark.yosys
def test_the_architecture_with_the_fewest_luts_wins(design):
    fmt = load("e1m2")
    records = synthesize_fpga([MacSpec(fmt, fmt, terms=4)], TARGETS["ice40"], every=True)
    luts = [record.luts for record in records]
    assert luts == sorted(luts)
    assert len({record.architecture for record in records}) == len(records) > 2


def test_unknown_target_gives_the_list():
    with pytest.raises(UserError, match="one of ice40, ecp5, xc7, not 'virtex'"):
        pick_target("virtex")
