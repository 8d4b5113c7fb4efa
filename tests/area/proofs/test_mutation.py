"""Each mutant of a MAC has one small change of the RTL.

A proof finds which mutants are harmless, that is, equivalent to the MAC. The result is compared
with enumeration.
"""

import re

import pytest

from halfbyte.area.netlists.aig import Aig
from halfbyte.area.proofs.machine import Inputs, accumulator, after_clock, initial_state
from halfbyte.area.proofs.mutation import is_equivalent, mutate
from halfbyte.formats import Format, Overflow
from halfbyte.formats.parse import parse_text
from halfbyte.rtl import MacSpec

pytestmark = pytest.mark.yosys

COUNT = 60


@pytest.fixture(scope="module")
def tiny() -> Format:
    return parse_text("{name: tiny, title: Tiny, values: [0, 1, 3, -2], source: us}")


@pytest.fixture(scope="module")
def macs(tiny):
    """Two MACs of a tiny format, one that wraps and one that saturates."""

    def make(**options):
        return MacSpec(tiny, tiny, "sign_magnitude", **options)

    return {
        "wrap": make(acc_width=5),
        "saturate": make(acc_width=4, overflow=Overflow.SATURATE, enable=True),
    }


@pytest.fixture(scope="module")
def mutated(macs):
    return mutate(macs, count=COUNT, seed=3)


def behaviour(circuit, mac):
    """The bits of ``acc`` before and after a clock edge.

    Each bit is an integer with one binary digit for every combination of state and inputs.
    """
    aig = Aig()
    w, a, clear, enable = aig.word(2), aig.word(2), aig.variable(), aig.variable()
    inputs = Inputs(aig, w, a, clear, enable if mac.enable else 1)
    state = initial_state(aig, circuit)
    words = [
        accumulator(aig, circuit, state),
        accumulator(aig, circuit, after_clock(circuit, inputs, state)),
    ]
    variables = [*w, *a, clear, enable, *state.values()]
    rows = 2 ** len(variables)
    values = {
        literal // 2: sum(1 << row for row in range(rows) if row >> place & 1)
        for place, literal in enumerate(variables)
    }
    nodes = aig.simulate(values, rows)
    ones = (1 << rows) - 1
    return [[nodes[bit >> 1] ^ (ones if bit & 1 else 0) for bit in word] for word in words]


def test_as_many_mutants_as_asked_for(macs, mutated):
    numbers = [mutant.number for mutant in mutated.mutants]
    assert numbers == list(range(1, len(macs) * COUNT + 1))
    for name in macs:
        changes = [mutant.change for mutant in mutated.mutants if mutant.unit == name]
        assert len(changes) == COUNT
        assert len(set(changes)) == COUNT
    assert mutated.verilog.count("endmodule") == len(macs)
    # There must be no `parallel_case` multiplexer. If two of its inputs were selected, Verilator
    # would report an error, but the proof would use the OR of both inputs.
    assert "parallel_case" not in mutated.verilog


def test_no_more_mutants_than_there_are(macs):
    (name, mac), *_ = macs.items()
    changes = [mutant.change for mutant in mutate({name: mac}, count=10_000, seed=1).mutants]
    assert COUNT < len(changes) < 10_000
    # A bit may be inverted under a condition. The message then says which other bit decides.
    conditional = [change for change in changes if "inverted where" in change]
    assert conditional
    for change in conditional:
        assert re.search(r" inverted where bit \d+ of the port is [01], at port ", change)


def test_number_0_is_the_unchanged_design(macs, mutated):
    for name, mac in macs.items():
        unchanged = mutated.circuits[name].fixed("mutant", 0)
        assert behaviour(unchanged, mac) == behaviour(mutated.originals[name], mac)


def test_equivalence_agrees_with_enumeration(macs, mutated):
    found = []
    for mutant in mutated.mutants:
        mac = macs[mutant.unit]
        circuit = mutated.circuits[mutant.unit].fixed("mutant", mutant.number)
        same = behaviour(circuit, mac) == behaviour(mutated.originals[mutant.unit], mac)
        found.append(is_equivalent(mutated, mutant, mac))
        assert found[-1] == same, mutant
    assert 0 < sum(found) < len(found) / 2


def test_same_seed_gives_the_same_mutants(macs, mutated):
    assert mutate(macs, count=COUNT, seed=3).mutants == mutated.mutants
    assert mutate(macs, count=COUNT, seed=4).mutants != mutated.mutants
