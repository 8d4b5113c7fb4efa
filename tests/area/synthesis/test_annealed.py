"""Annealed addends, and the other outputs that they may have."""

import numpy as np
import pytest

from halfbyte.area.synthesis.annealed import other_sign, starting_network
from halfbyte.formats import load
from halfbyte.rtl import to_rtlil
from halfbyte.rtl.addend import Addend

READ = ["read_rtlil design.il", "hierarchy -check", "proc -norom", "opt -full", "wreduce"]


def start(name, architecture, folder):
    fmt = load(name)
    addend = Addend(weight=fmt, activation=fmt, architecture=architecture)
    (folder / "design.il").write_text(to_rtlil(addend, "addend"))
    kinds = "-g AND,NAND,OR,NOR,XOR,XNOR"
    (folder / "search.abc").write_text("strash\ndch\nmap -a\ntopo\n")
    return fmt, starting_network("addend", READ, kinds, {}, folder)


def ports(network, tables):
    """The outputs as numbers by port, a row each; `rest` signed."""
    bits = np.unpackbits(tables.view(np.uint8), axis=1, bitorder="little").astype(int)
    found, place = {}, 0
    for name, width in network.outputs.items():
        value = sum(bits[place + bit] << bit for bit in range(width))
        if name == "rest":
            value = value - ((value >> width - 1) << width)
        found[name], place = value, place + width
    return found


@pytest.mark.parametrize(
    ("name", "architecture"),
    [("e2m1", "exponent_shift"), ("int4", "sign_magnitude"), ("apot4_sp", "sign_magnitude")],
)
def test_both_ways_add_the_product(name, architecture, tmp_path):
    fmt, network = start(name, architecture, tmp_path)
    products = np.array([w * a for a in fmt.integers for w in fmt.integers])
    first, second = (ports(network, tables) for tables in (network.tables(), other_sign(network)))
    for way in (first, second):
        carry = np.where(way["odd"], 0, way["negate"])
        assert (way["odd"] + 2 * (way["rest"] + carry) == products).all()
    assert (first["negate"] != second["negate"]).mean() > 0.9
