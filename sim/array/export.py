"""Exports a systolic array for use without this package: Verilog, test vectors and a bench."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from halfbyte.base import versions_of, write_atomically
from halfbyte.rtl import port_widths
from halfbyte.rtl.array import SystolicSpec
from halfbyte.sim.array.plan import ArrayPlan
from halfbyte.sim.array.product import make_plan
from halfbyte.sim.array.record import ArrayExport
from halfbyte.sim.array.regression import regression_operands
from halfbyte.sim.ports import PortMap

__all__ = ["export_array", "results_by_cycle"]

_BENCH = """\
// Applies the vectors in {vectors} to {name} and compares the results that leave it.
// There is a vector for each cycle. From bit 0 upward it holds: the inputs; for each column, a bit
// that says whether the column must give a result; for each column, a bit that says whether this
// result is compared; and the results.
// For example: iverilog -g2012 -o sim tb_{name}.v {name}.v && vvp sim
`timescale 1ns / 1ps
module tb_{name};
  reg clk = 0;
  reg [{input_high}:0] inputs;
  wire [{columns_high}:0] valid;
  wire [{sums_high}:0] sums;
  reg [{vector_high}:0] vectors [0:{last}];
  wire [{vector_high}:0] vector = vectors[number];
  wire [{columns_high}:0] wanted = vector[{wanted_high}:{wanted_low}];
  wire [{columns_high}:0] compared = vector[{compared_high}:{compared_low}];
  wire [{sums_high}:0] expected = vector[{vector_high}:{expected_low}];
  integer number, column, errors, results;

  {name} dut (.clk(clk), {connections}, .sums(sums), .valid(valid));

  always #5 clk = ~clk;

  initial begin
    $readmemh("{vectors}", vectors);
    errors = 0;
    results = 0;
    for (number = 0; number < {count}; number = number + 1) begin
      inputs = vector[{input_high}:0];
      @(negedge clk);
      if (number > {warm_up}) begin
        if (valid !== wanted) errors = errors + 1;
        for (column = 0; column < {columns}; column = column + 1)
          if (compared[column]) begin
            results = results + 1;
            if (sums[column*{bits} +: {bits}] !== expected[column*{bits} +: {bits}]) begin
              errors = errors + 1;
              $display("cycle %0d, column %0d: expected %h, got %h", number, column,
                       expected[column*{bits} +: {bits}], sums[column*{bits} +: {bits}]);
            end
          end
      end
      @(posedge clk);
      #1;
    end
    if (errors == 0) $display("PASS: %0d results", results);
    else begin
      $display("FAIL: %0d errors", errors);
      $fatal;  // so that the exit status is not 0
    end
    $finish;
  end
endmodule
"""


def results_by_cycle(spec: SystolicSpec, plan: ArrayPlan) -> NDArray[np.int64]:
    """The bits of the result that leaves each column in each cycle; (T, columns) int64.

    -2 means that no result leaves the column. -1 stands for a result that is not compared, since it
    only fills up a tile. A tile is a part of the product that the array computes at one time.
    """
    at, words = plan.ports.input_offsets["take"], plan.stimulus
    takes = np.flatnonzero(words[:, at // 8] >> at % 8 & 1)
    found = np.full((len(words), spec.columns), -2, np.int64)
    results = spec.results_per_take
    for tile, take in enumerate(takes):
        for number in range(results):
            for column in range(spec.columns):
                cycle = take + spec.latency(number, column)
                found[cycle, column] = plan.expected[tile * results + number, column]
    return found


def export_array(spec: SystolicSpec, folder: Path, *, seed: int = 0) -> ArrayExport:
    """Write ``NAME.v``, its test vectors and its bench to ``folder``; NAME is ``spec.name``.

    Raises ArchitectureError if the architecture is ``auto``, and UserError as
    :func:`halfbyte.sim.array.product.expected_product` does.
    """
    name = spec.name
    verilog, vectors, bench = (
        folder / file for file in (f"{name}.v", f"{name}_vectors.hex", f"tb_{name}.v")
    )
    array = spec.component()
    plan = make_plan(spec, regression_operands(spec, seed), PortMap(*port_widths(array)))
    results = results_by_cycle(spec, plan)
    write_atomically(verilog, array.verilog(name))
    write_atomically(vectors, "\n".join(_vectors(spec, plan, results)) + "\n")
    write_atomically(bench, _bench(spec, plan, vectors.name))
    return ArrayExport(
        **spec.fields,
        module=name,
        count=len(results),
        results=plan.products,
        seed=seed,
        verilog=str(verilog),
        vectors=str(vectors),
        bench=str(bench),
        versions=versions_of("halfbyte", "amaranth", "pyosys"),
    )


def _vectors(spec: SystolicSpec, plan: ArrayPlan, results: NDArray[np.int64]) -> list[str]:
    """The vector of each cycle as a hexadecimal number, laid out as the bench's comment says."""
    inputs, bits = sum(plan.ports.inputs.values()), spec.result_bits
    lines = []
    for row, leaving in zip(plan.stimulus, results.tolist(), strict=True):
        word = int.from_bytes(row.tobytes(), "little")
        for column, result in enumerate(leaving):
            word |= (result != -2) << inputs + column
            word |= (result >= 0) << inputs + spec.columns + column
            word |= max(result, 0) << inputs + 2 * spec.columns + column * bits
        lines.append(f"{word:x}")
    return lines


def _bench(spec: SystolicSpec, plan: ArrayPlan, vectors: str) -> str:
    inputs, offsets = plan.ports.inputs, plan.ports.input_offsets
    width, sums = sum(inputs.values()), spec.columns * spec.result_bits
    expected = width + 2 * spec.columns
    return _BENCH.format(
        name=spec.name,
        vectors=vectors,
        count=len(plan.stimulus),
        last=len(plan.stimulus) - 1,
        warm_up=plan.warm_up,
        columns=spec.columns,
        bits=spec.result_bits,
        input_high=width - 1,
        columns_high=spec.columns - 1,
        sums_high=sums - 1,
        wanted_low=width,
        wanted_high=width + spec.columns - 1,
        compared_low=width + spec.columns,
        compared_high=expected - 1,
        expected_low=expected,
        vector_high=expected + sums - 1,
        connections=", ".join(
            f".{name}(inputs[{offsets[name] + bits - 1}:{offsets[name]}])"
            for name, bits in inputs.items()
        ),
    )
