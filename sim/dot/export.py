"""Exports a dot-product unit for use without this package: Verilog, test vectors and a bench."""

from pathlib import Path

from halfbyte.base import versions_of, write_atomically
from halfbyte.rtl import to_verilog
from halfbyte.rtl.dot import DotSpec
from halfbyte.sim.dot.regression import dot_plan
from halfbyte.sim.records import DotExportRecord

__all__ = ["export_dot"]

# The scenarios from which the vectors come, and the approximate number of cycles of each.
_SCENARIOS, _CYCLES = ("random", "scales", "cancelling"), 500

_BENCH = """\
// Applies the vectors in {vectors} to {name} and compares its outputs after every cycle.
// A vector is a number. Its lower bits are the inputs of a cycle, and its upper bits are the
// outputs that are expected after the cycle. Inputs and outputs are in the order of the connections
// below; the first is in the lowest bits.
// For example: iverilog -g2012 -o sim tb_{name}.v {name}.v && vvp sim
`timescale 1ns / 1ps
module tb_{name};
  reg clk = 0;
  reg [{input_high}:0] inputs;
  wire [{output_high}:0] outputs;
  reg [{vector_high}:0] vectors [0:{last}];
  integer number, errors;

  {name} dut (.clk(clk), {connections});

  always #5 clk = ~clk;

  initial begin
    $readmemh("{vectors}", vectors);
    errors = 0;
    for (number = 0; number < {count}; number = number + 1) begin
      @(negedge clk);
      inputs = vectors[number][{input_high}:0];
      @(posedge clk);
      #1;
      if (outputs !== vectors[number][{vector_high}:{input_bits}]) begin
        errors = errors + 1;
        $display("vector %0d: expected %h, got %h", number,
                 vectors[number][{vector_high}:{input_bits}], outputs);
      end
    end
    if (errors == 0) $display("PASS: {count} vectors");
    else begin
      $display("FAIL: %0d of {count} vectors differ", errors);
      $fatal;  // so that the exit status is not 0
    end
    $finish;
  end
endmodule
"""


def export_dot(spec: DotSpec, folder: Path, *, seed: int = 0) -> DotExportRecord:
    """Write ``NAME.v``, its test vectors and its bench to ``folder``; NAME is ``spec.name``.

    Returns a record with the unit, the three paths and the number of vectors. Raises
    ArchitectureError if the architecture is ``auto``.
    """
    name = spec.name
    verilog, vectors, bench = (
        folder / file for file in (f"{name}.v", f"{name}_vectors.hex", f"tb_{name}.v")
    )
    write_atomically(verilog, to_verilog(spec.component(), name))
    lines = _vectors(spec, seed)
    write_atomically(vectors, "\n".join(lines) + "\n")
    write_atomically(bench, _bench(spec, vectors.name, len(lines)))
    return DotExportRecord(
        **spec.fields,
        module=name,
        count=len(lines),
        seed=seed,
        verilog=str(verilog),
        vectors=str(vectors),
        bench=str(bench),
        versions=versions_of("halfbyte", "amaranth", "pyosys"),
    )


def _vectors(spec: DotSpec, seed: int) -> list[str]:
    """A hexadecimal number for each cycle: expected outputs in the upper bits, inputs below."""
    input_bits = sum(spec.inputs.values())
    digits = -(-(input_bits + sum(spec.outputs.values())) // 4)
    plans = [dot_plan(spec, each, cycles=_CYCLES, seed=seed) for each in _SCENARIOS]
    return [
        f"{expected << input_bits | stimulus:0{digits}x}"
        for plan in plans
        for stimulus, expected in plan.rows()
    ]


def _bench(spec: DotSpec, vectors: str, count: int) -> str:
    input_bits, output_bits = sum(spec.inputs.values()), sum(spec.outputs.values())
    connections = []
    for word, ports in (("inputs", spec.inputs), ("outputs", spec.outputs)):
        low = 0
        for port, width in ports.items():
            connections.append(f".{port}({word}[{low + width - 1}:{low}])")
            low += width
    return _BENCH.format(
        name=spec.name,
        vectors=vectors,
        count=count,
        last=count - 1,
        input_bits=input_bits,
        input_high=input_bits - 1,
        output_high=output_bits - 1,
        vector_high=input_bits + output_bits - 1,
        connections=", ".join(connections),
    )
