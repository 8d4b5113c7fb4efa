"""The files that ``synth -o`` writes all describe the same MAC, and their names say which one."""

import json
from dataclasses import replace

import pytest

from halfbyte.area import load_technology, synthesize
from halfbyte.area.netlists.lowering import lower
from halfbyte.area.proofs.mac import PROVED, prove_netlist
from halfbyte.area.search.delivery import deliver
from halfbyte.base import UserError
from halfbyte.formats import load
from halfbyte.rtl import MacSpec

pytestmark = pytest.mark.yosys
DESIGN = MacSpec(load("e1m2"), load("e1m2"), terms=4)


@pytest.fixture(scope="module")
def technology():
    return load_technology("sky130hd")


@pytest.fixture(scope="module")
def record(technology, tmp_path_factory):
    """The record of the synthesis of ``DESIGN``, with its netlist in a store."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HALFBYTE_BUILD", str(tmp_path_factory.mktemp("build")))
        (found,) = synthesize([replace(DESIGN, architecture="sign_magnitude")], technology)
        yield found


def test_netlist_and_rtl_are_one_mac(record, technology, tmp_path):
    files = deliver(DESIGN, record, technology, tmp_path)
    name = "mac_e1m2_sign_magnitude_acc9_wrap"
    recipe = record.recipe
    assert {kind: path.name for kind, path in files.items()} == {
        "netlist": f"{name}_sky130hd_{recipe}.v",
        "rtl": f"{name}.v",
        "constraints": f"{name}_sky130hd_{recipe}.sdc",
        "report": f"{name}_sky130hd_{recipe}.json",
    }
    assert f"\nmodule {name}(clk, w, a, clear, acc);" in files["rtl"].read_text()
    spec = replace(DESIGN, architecture="sign_magnitude")
    netlists = {"netlist": (files["netlist"], name)}
    circuits = lower({"rtl": spec.component()}, netlists, technology.cells)
    assert prove_netlist(circuits["netlist"], circuits["rtl"], spec).status == PROVED
    assert json.loads(files["report"].read_text()) == [record.as_json()]


def test_constraints_have_the_clock(record, technology, tmp_path):
    files = deliver(DESIGN, record, technology, tmp_path)
    text = files["constraints"].read_text()
    assert f"-period {record.delay_ps / 1000:.7g} [" in text
    assert "[get_ports {w[*] a[*] clear}]" in text
    timed = deliver(DESIGN, replace(record, clock_ps=2500.5), technology, tmp_path)
    assert timed["constraints"].name.endswith(f"_2500p5ps_{record.recipe}.sdc")
    assert "-period 2.5005 [" in timed["constraints"].read_text()
    finer = replace(technology, time_unit_ps=1.0)  # as in ASAP7's library
    timed = deliver(DESIGN, replace(record, clock_ps=2500.5), finer, tmp_path)
    assert "-period 2500.5 [" in timed["constraints"].read_text()


def test_a_missing_delay_or_netlist_is_an_error(record, technology, tmp_path):
    with pytest.raises(UserError, match="no delays, so there is no clock"):
        deliver(DESIGN, replace(record, delay_ps=None), technology, tmp_path)
    with pytest.raises(UserError, match="There is no netlist of mac_e1m2"):
        deliver(DESIGN, replace(record, netlist=None), technology, tmp_path)
