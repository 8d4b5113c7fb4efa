"""The scoreboard compares, counts and reports results. These tests need no simulator."""

from pathlib import Path

import numpy as np
import pytest

from halfbyte.sim.plan import Field, Layout, Plan
from halfbyte.sim.scoreboard import MismatchError, Scoreboard

LAYOUT = Layout(
    title="design",
    seed=42,
    w_values=("0", "1/2", "-1", "-1/2"),
    a_values=("0", "1", "-2", "-1"),
    unit="1/2",
    fields=(Field("mac_lossless", 6, False), Field("mac_enabled", 6, True)),
)


@pytest.fixture
def plan() -> Plan:
    # w | a << 2 | clear << 4 | enable << 5
    words = [1 | 1 << 2 | 1 << 4 | 1 << 5, 2 | 1 << 2, 1 | 1 << 2 | 1 << 5]
    expected = [[1, -1, 0], [1, 1, 2]]
    return Plan(LAYOUT, np.array(words, dtype=np.uint32), np.array(expected))


def _bus(lossless: int, enabled: int) -> int:
    """The bits of all accumulators, as the bench reads them from one port."""
    return (lossless & 63) | (enabled & 63) << 6


def test_layout_describes_the_ports() -> None:
    assert (LAYOUT.w_bits, LAYOUT.a_bits) == (2, 2)
    assert LAYOUT.offsets == (0, 6)
    assert LAYOUT.acc_bits == 32


def test_counts_products_and_skips_those_without_enable(plan: Plan) -> None:
    board = Scoreboard(plan, "random")
    assert (board.products, board.left) == (0, 3)
    board.check(_bus(1, 1))
    board.check(_bus(-1, 1))
    assert (board.products, board.left) == (3, 1)
    board.check(_bus(0, 2))
    assert (board.products, board.left) == (plan.products, 0) == (5, 0)


def test_a_mismatch_reports_cycle_codes_values_expected_and_seen(plan: Plan) -> None:
    board = Scoreboard(plan, "random")
    board.check(_bus(1, 1))
    with pytest.raises(MismatchError) as caught:
        board.check(_bus(-2, 1))
    assert str(caught.value) == (
        "design: mismatch in scenario random, cycle 1 (seed 42)\n"
        "  w = code 10 (-1), a = code 01 (1), clear 0, enable 0\n"
        "  mac_lossless (6 bits): expected -1, seen -2, before 1, in units of 1/2"
    )
    assert board.products == 2


def test_a_bit_outside_the_fields_is_a_mismatch(plan: Plan) -> None:
    with pytest.raises(MismatchError, match="cycle 0"):
        Scoreboard(plan, "random").check(_bus(1, 1) | 1 << 31)


def test_unresolved_bits_are_reported(plan: Plan) -> None:
    report = Scoreboard(plan, "random").report("00XX01")
    assert "cycle 0" in report
    assert "unresolved bits: 00XX01" in report


def test_a_plan_survives_its_files(plan: Plan, tmp_path: Path) -> None:
    plan.save(tmp_path, "random")
    loaded = Plan.load(tmp_path, "random")
    assert loaded.layout == LAYOUT
    assert (loaded.stimulus == plan.stimulus).all()
    assert (loaded.expected == plan.expected).all()
