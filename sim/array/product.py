"""Computes a matrix product with the RTL of an array, and compares it with the golden model."""

import time
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from halfbyte.base import UserError
from halfbyte.formats import Overflow
from halfbyte.golden import dot
from halfbyte.golden.unit_gemm import exact_gemm, unit_gemm
from halfbyte.rtl import port_widths
from halfbyte.rtl.array import SystolicSpec
from halfbyte.sim.array.operands import Operands
from halfbyte.sim.array.plan import ArrayPlan
from halfbyte.sim.array.schedule import filled, schedule
from halfbyte.sim.ports import PortMap
from halfbyte.sim.simulation import simulate
from halfbyte.sim.wrapper import TIMESCALE

__all__ = ["ArrayRun", "expected_product", "make_plan", "run_product"]

TEST_MODULE = "halfbyte.sim.tb_array"
_SCENARIO, _MODULE = "product", "systolic_array"
_INT64_BITS = 64


@dataclass(frozen=True)
class ArrayRun:
    """The outcome of a simulation of an array.

    Parameters
    ----------
    results : int
        Number of results that were compared with the golden model; all are equal to it.
    cycles : int
        Clock cycles, including those that fill and empty the array.
    build_seconds, seconds : float
        Time to compile the simulation, and total time, in s.
    """

    results: int
    cycles: int
    build_seconds: float
    seconds: float


def expected_product(spec: SystolicSpec, operands: Operands) -> Tensor:
    """The golden model's result: (M, N), float32 for an FP32 unit and int64 for the others.

    For an exact unit, each result is the number that leaves the array: the accumulator's bits, and
    above them a bit that is 1 for NaN. An FP32 result is never -0 if blocks of zeros fill up the
    last tile, since each of them adds +0. Raises UserError for a unit whose accumulator is not
    supported in simulated arrays, and as :func:`~halfbyte.sim.array.schedule.filled` does.
    """
    unit = spec.unit
    if unit.is_fp32 and unit.scale:
        whole = filled(spec, operands)
        return unit_gemm(*whole.tensors(), **unit.arithmetic, block=unit.block_size)
    if unit.is_exact and spec.result_bits < _INT64_BITS:
        acc, is_nan = exact_gemm(*operands.tensors(), **unit.arithmetic, block=unit.block_size)
        return acc & ((1 << unit.width) - 1) | is_nan.long() << unit.width
    if unit.is_fp32 or unit.is_exact or unit.overflow is not Overflow.WRAP:
        raise UserError(
            "An array is simulated only if its units have an integer accumulator that wraps, an "
            f"FP32 accumulator and scales, or an exact accumulator of at most {_INT64_BITS - 2} "
            f"bits. This array has other units: {unit.title}"
        )
    a, w = torch.from_numpy(operands.a), torch.from_numpy(operands.w)
    return dot(w[None], a[:, None], unit.weight, unit.activation)


def run_product(
    spec: SystolicSpec, operands: Operands, *, simulator: str = "verilator"
) -> tuple[Tensor, ArrayRun]:
    """Compute ``A W^T`` with the array's RTL; return the product and the outcome.

    Every result of the product is compared with the golden model. Raises SimulationError if
    a result differs or is missing, ToolError if a tool is missing or fails, and UserError as
    :func:`expected_product` and :func:`~halfbyte.sim.array.schedule.schedule` do.
    """
    start = time.monotonic()
    product = expected_product(spec, operands)
    array = spec.component()
    ports = PortMap(*port_widths(array))
    plan = make_plan(spec, operands, ports, product)
    verilog = "\n".join([TIMESCALE, array.verilog(_MODULE), ports.verilog(_MODULE)])
    outcome = simulate(
        verilog, {_SCENARIO: plan}, name=spec.name, test_module=TEST_MODULE, simulator=simulator
    )
    run = ArrayRun(
        results=sum(outcome.checked.values()),
        cycles=len(plan.stimulus) - plan.warm_up,
        build_seconds=round(outcome.build_seconds, 3),
        seconds=round(time.monotonic() - start, 3),
    )
    return product, run


def make_plan(
    spec: SystolicSpec, operands: Operands, ports: PortMap, product: Tensor | None = None
) -> ArrayPlan:
    """The array's inputs in every cycle, and the results that must leave it.

    ``product`` is the result of :func:`expected_product`; if it is None, it is computed here.
    """
    if product is None:
        product = expected_product(spec, operands)
    bits = _bits(product, spec.result_bits)
    made = schedule(spec, operands, ports.inputs)
    rows, columns = made.order[..., 0], made.order[..., 1]
    expected = np.where(rows >= 0, bits[rows, columns], -1)
    return ArrayPlan(
        title=spec.title,
        ports=ports,
        warm_up=made.warm_up,
        columns=spec.columns,
        result_bits=spec.result_bits,
        stimulus=made.stimulus,
        expected=expected,
    )


def _bits(product: Tensor, width: int) -> NDArray[np.int64]:
    """The bits of each result as an unsigned number."""
    if product.dtype == torch.float32:
        return product.view(torch.int32).numpy().astype(np.int64) & 0xFFFFFFFF
    return product.numpy() & ((1 << width) - 1)
