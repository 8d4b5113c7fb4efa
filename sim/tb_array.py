"""cocotb test that compares every result of a systolic array with the golden model.

The array computes a matrix product in tiles. A tile is a part of the product that the array
computes at one time.
"""

import os
from pathlib import Path
from typing import Any

import cocotb
from cocotb.triggers import FallingEdge, RisingEdge

from halfbyte.sim.array.plan import ArrayPlan
from halfbyte.sim.harness import reported, start_clock
from halfbyte.sim.plan import FOLDER_VARIABLE
from halfbyte.sim.scoreboard import MismatchError

__all__ = ["agrees_with_golden_model"]

SCENARIO = "product"


async def _drive_and_check(dut: Any, plan: ArrayPlan) -> int:
    """Apply the inputs of a cycle after each rising edge; read the outputs on the falling edge.

    Returns the number of results that were compared.
    """
    at = plan.ports.output_offsets
    rising, falling = RisingEdge(dut.clk), FallingEdge(dut.clk)
    bits, mask = plan.result_bits, (1 << plan.result_bits) - 1
    left, checked = [0] * plan.columns, 0
    expected = plan.expected.tolist()
    await rising
    for cycle, row in enumerate(plan.stimulus):
        dut.stimulus.value = int.from_bytes(row.tobytes(), "little")
        await falling
        seen = dut.result.value.to_unsigned()
        valid = seen >> at["valid"] & (1 << plan.columns) - 1 if cycle > plan.warm_up else 0
        for column in range(plan.columns):
            if valid >> column & 1:
                result = seen >> at["sums"] + column * bits & mask
                checked += _compare(plan, expected, left, column, result, cycle)
        await rising
    missing = [column for column in range(plan.columns) if left[column] != len(expected)]
    if missing:
        raise MismatchError(
            f"{plan.title}: columns {missing} gave too few results; results of each column: {left}"
        )
    return checked


def _compare(
    plan: ArrayPlan, expected: list[list[int]], left: list[int], column: int, seen: int, cycle: int
) -> int:
    """Compare a result with the next one expected from its column.

    Returns 1, or 0 for a result that is not compared because it only fills up a tile.
    """
    number = left[column]
    left[column] += 1
    if number >= len(expected):
        raise MismatchError(f"{plan.title}: column {column} gave too many results, cycle {cycle}")
    wanted = expected[number][column]
    if wanted < 0:
        return 0
    if seen != wanted:
        raise MismatchError(
            f"{plan.title}: result {number} of column {column}, cycle {cycle}: expected "
            f"{wanted:#x}, seen {seen:#x}"
        )
    return 1


@cocotb.test()
async def agrees_with_golden_model(dut: Any) -> None:
    """Every result that leaves the array equals that of the golden model."""
    folder = Path(os.environ[FOLDER_VARIABLE])
    plan = ArrayPlan.load(folder, SCENARIO)
    start_clock(dut)
    with reported(folder, SCENARIO) as report:
        report.products = await _drive_and_check(dut, plan)
    assert report.products == plan.products
