"""Runs the regression of an array: one matrix product with extreme and random values.

The product does not fill whole tiles. A tile is a part of it that the array computes at one time.
"""

import secrets
import time

import numpy as np
from numpy.typing import NDArray

from halfbyte.base import versions_of
from halfbyte.formats import Format
from halfbyte.rtl.array import SystolicSpec
from halfbyte.sim.array.operands import Operands
from halfbyte.sim.array.product import run_product
from halfbyte.sim.array.record import ArraySimulation
from halfbyte.sim.runner import SEED_BITS
from halfbyte.sim.simulator import check_simulator, simulator_version

__all__ = ["regression_operands", "run_array_regression"]

_TILES = 2  # number of whole tiles along the rows, and along the columns
_BLOCKS = 3  # number of tiles along the inputs of a result
# The least number of cycles for a result, in an array without scales that keeps its sums in place.
_STEPS = 20


def _codes(
    generator: np.random.Generator, fmt: Format, shape: tuple[int, int]
) -> NDArray[np.uint8]:
    """Random codes, but row 0 has only the largest value and row 1 only the smallest."""
    codes = generator.integers(0, 2**fmt.bits, shape).astype(np.uint8)
    codes[0] = int(np.argmax(fmt.integers))
    codes[1] = int(np.argmin(fmt.integers))
    return codes


def regression_operands(spec: SystolicSpec, seed: int) -> Operands:
    """Operands of a product that has one row and one column more than ``_TILES`` whole tiles.

    If a format has a zero, the inputs of a result do not fill whole tiles either, where the array
    permits that.
    """
    generator, unit = np.random.default_rng(seed), spec.unit
    steps = spec.tile_inputs // unit.lanes  # cycles of one unit for the inputs of a tile
    has_zero = 0 in (*unit.weight.integers, *unit.activation.integers)
    blocks = (_BLOCKS - 1) * steps + 1 if has_zero else _BLOCKS * steps
    if unit.scale:
        length = blocks * unit.block_size
    else:
        length = max(_STEPS if steps == 1 else 0, blocks) * unit.lanes
        length += unit.lanes // 2 if has_zero else 0
    tokens, outputs = _TILES * spec.tile_tokens + 1, _TILES * spec.columns + 1
    a = _codes(generator, unit.activation, (tokens, length))
    w = _codes(generator, unit.weight, (outputs, length))
    if unit.scale is None:
        return Operands(a, w)
    scales = [
        generator.integers(0, 2**unit.scale.bits, (rows, blocks)).astype(np.uint8)
        for rows in (tokens, outputs)
    ]
    return Operands(a, w, *scales)


def run_array_regression(
    spec: SystolicSpec, *, simulator: str = "verilator", seed: int | None = None
) -> ArraySimulation:
    """Compute a product with the array's RTL and compare every result with the golden model.

    Raises SimulationError, ToolError and UserError as
    :func:`halfbyte.sim.array.product.run_product` does, and UserError if the simulator is unknown.
    """
    start = time.monotonic()
    check_simulator(simulator)
    seed = secrets.randbits(SEED_BITS) if seed is None else seed
    operands = regression_operands(spec, seed)
    _, run = run_product(spec, operands, simulator=simulator)
    (tokens, inputs), outputs = operands.a.shape, len(operands.w)
    return ArraySimulation(
        **spec.fields,
        simulator=simulator,
        seed=seed,
        inputs=inputs,
        outputs=outputs,
        tokens=tokens,
        results=run.results,
        products=run.results * inputs,
        cycles=run.cycles,
        passed=True,
        versions={**versions_of("amaranth", "pyosys"), **simulator_version(simulator)},
        build_seconds=run.build_seconds,
        seconds=round(time.monotonic() - start, 3),
    )
