"""`prove_designs` proves every unit of a design, and `failures` names each proof that failed."""

from collections import Counter
from dataclasses import replace

import pytest

from halfbyte.area import load_technology
from halfbyte.area.proofs.faults import altered_table
from halfbyte.area.search.proof_plan import failures, prove_designs
from halfbyte.formats import load
from halfbyte.formats.parse import parse_text
from halfbyte.rtl import MacSpec


@pytest.fixture(autouse=True)
def build(monkeypatch, tmp_path):
    monkeypatch.setenv("HALFBYTE_BUILD", str(tmp_path / "build"))
    return tmp_path / "build"


@pytest.mark.yosys
def test_every_unit_is_proved_and_every_fault_refuted(build):
    fmt = load("e1m2")
    technology = load_technology("sky130hd")
    design = MacSpec(fmt, fmt, "sign_magnitude", terms=16)
    records = prove_designs([design], technology)
    assert not [line for record in records for line in failures(record)]
    kinds = Counter((record.unit, bool(record.recipe)) for record in records)
    netlists = kinds["mac", True]
    assert kinds == {
        ("multiplier", False): 1,
        ("multiplier", True): netlists,
        ("mac", False): 8,
        ("mac", True): netlists,
    }
    assert netlists == 5  # one for each recipe (way to synthesize) of this MAC
    faults = Counter(fault for record in records for fault in record.faults)
    assert faults["missing clear"] == faults["dropped carry"] == 2 + netlists
    assert faults["dropped saved carries"] == 1
    assert faults["table entry off by one"] == 2 * (1 + netlists)
    assert all(record.proof.counterexample is None for record in records)
    overflows = {(record.overflow, record.enable) for record in records}
    assert {("wrap", True), ("saturate", True), ("saturate", False)} <= overflows
    assert prove_designs([design], technology) == records  # now read from the store

    proof = records[0].proof
    wrong = replace(
        records[0], proof=replace(proof, status="refuted"), faults={"missing clear": proof}
    )
    assert failures(wrong) == [
        "e1m2 x e1m2, sign_magnitude, multiplier: the claim 'rtl = specification' is refuted",
        "e1m2 x e1m2, sign_magnitude, multiplier: the fault 'missing clear' is proved, not refuted",
    ]


@pytest.mark.parametrize("architecture", ["sign_magnitude", "shift_add"])
def test_an_altered_table_differs_by_one_quantum(architecture):
    fmt = load("e2m1")
    other = altered_table(fmt, fmt, architecture)
    differences = [
        abs(one - two) for one, two in zip(fmt.values, other.values, strict=True) if one != two
    ]
    assert differences == [fmt.quantum]
    assert other.quantum == fmt.quantum
    assert max(map(abs, other.values)) == max(map(abs, fmt.values))


def test_an_altered_table_keeps_quantum_and_maximum():
    """All values are 1. Only a change from 1 to 0 keeps the quantum and the maximum."""
    fmt = parse_text("{name: flat, title: Flat, values: [1, 1, 1, 1], source: us}")
    other = altered_table(fmt, fmt, "sign_magnitude")
    assert sorted(other.values) == [0, 1, 1, 1]
