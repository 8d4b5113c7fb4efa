"""Annealed addends give the exact product of every pair of codes.

The addend is the part of a MAC before the accumulator's adder: the multiplier, with gates that
invert its result if the product is negative. The product is ``odd + 2 * (rest + carry)``, where the
adder adds the carry. The carry is the output ``negate`` if the product is even, and 0 if it is odd.

Most products therefore have two forms, with ``negate`` set or not. Annealing replaces gates at
random to save area, and may choose either form for each pair of codes.
"""

from dataclasses import replace

import numpy as np
import pytest

from halfbyte.area.cells.technology import load_technology
from halfbyte.area.synthesis import annealed
from halfbyte.area.synthesis.annealed import other_sign, starting_network
from halfbyte.area.synthesis.recipes import QUICK
from halfbyte.area.synthesis.yosys import addend_gates, synthesize_rtlil
from halfbyte.formats import load
from halfbyte.rtl import ARCHITECTURES, MacSpec, to_rtlil
from halfbyte.rtl.addend import Addend

READ = ["read_rtlil design.il", "hierarchy -check", "proc -norom", "opt -full", "wreduce"]


def start(name, architecture, folder):
    """A format, and the network of gates of its addend before annealing."""
    fmt = load(name)
    addend = Addend(weight=fmt, activation=fmt, architecture=architecture)
    (folder / "design.il").write_text(to_rtlil(addend, "addend"))
    kinds = "-g AND,NAND,OR,NOR,XOR,XNOR"
    (folder / "search.abc").write_text("strash\ndch\nmap -a\ntopo\n")
    return fmt, starting_network("addend", READ, kinds, {}, folder)


def ports(network, tables):
    """The values of each output port, one for every row of the truth tables; ``rest`` is signed."""
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
def test_outputs_of_either_sign_add_the_product(name, architecture, tmp_path):
    fmt, network = start(name, architecture, tmp_path)
    products = np.array([w * a for a in fmt.integers for w in fmt.integers])
    first, second = (ports(network, tables) for tables in (network.tables(), other_sign(network)))
    for outputs in (first, second):
        carry = np.where(outputs["odd"], 0, outputs["negate"])
        assert (outputs["odd"] + 2 * (outputs["rest"] + carry) == products).all()
    assert (first["negate"] != second["negate"]).mean() > 0.9


@pytest.mark.yosys
@pytest.mark.parametrize(
    ("weight", "activation", "architecture"),
    [
        ("e1m2", "e1m2", "sign_magnitude"),
        ("int4", "int4", "baugh_wooley"),  # ``negate`` is always 0
        ("e2m1", "int4", "sign_magnitude"),
    ],
)
def test_a_multiplier_is_annealed_from_its_addend(weight, activation, architecture, tmp_path):
    spec = MacSpec(load(weight), load(activation), architecture)
    technology = load_technology("sky130hd")
    recipe = replace(QUICK, moves=100)
    addend = addend_gates(spec.rtlil(), technology, recipe, tmp_path)
    found = annealed.anneal_multiplier(addend, spec.term_bits, technology, recipe)
    values = ports(found.network, found.network.tables())
    term = values["term"]
    if ARCHITECTURES[architecture].term_shape(spec.weight, spec.activation).signed:
        term = term - ((term >> spec.term_bits - 1) << spec.term_bits)
    formats = {"w": spec.weight, "a": spec.activation}
    low, high = (formats[port].integers for port in found.network.inputs)
    products = np.outer(high, low).ravel()
    assert (np.where(values["negate"], -term, term) == products).all()


@pytest.mark.yosys
def test_macs_with_the_same_addend_anneal_it_once(tmp_path, monkeypatch):
    calls, anneal = [], annealed.anneal
    monkeypatch.setattr(annealed, "anneal", lambda *a, **b: calls.append(a) or anneal(*a, **b))
    annealed._smallest.cache_clear()
    spec = MacSpec(load("e2m1"), load("e2m1"), "exponent_shift")

    def made(folder, width, technology="sky130hd", moves=100):
        mac = replace(spec, acc_width=width).component()
        recipe = replace(QUICK, moves=moves)
        path = tmp_path / folder
        synthesize_rtlil(to_rtlil(mac, "mac"), load_technology(technology), recipe, path)
        return (path / "annealed.v").read_text()

    assert made("narrow", 12) == made("wide", 16) == made("again", 12)
    assert len(calls) == 1
    made("longer", 12, moves=101)
    made("elsewhere", 12, technology="asap7")
    assert len(calls) == 3
