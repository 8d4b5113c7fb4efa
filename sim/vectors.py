"""Writes test vectors of a MAC to a text file, and a plain Verilog bench that applies them."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from halfbyte.base import write_atomically
from halfbyte.formats import Format
from halfbyte.rtl import MacSpec
from halfbyte.sim.limits import MAX_CYCLES, Step, expected_after, walk_to_limits
from halfbyte.sim.scenarios import (
    Stream,
    all_pairs,
    clears,
    expectation,
    extremes,
    random_cycles,
)

__all__ = ["write_bench", "write_vectors"]

RANDOM_CYCLES = 10_000
# The most products in the sum of highest products, and in that of lowest ones. Longer sums would
# make files of many megabytes.
MAX_WORST_PRODUCTS = 4096

_VECTORS_HEAD = """\
// Test vectors for {module}: $readmemh reads this file as words of {word_bits} bits.
// w: {w_title}; a: {a_title}; acc: {acc_width} bits, two's complement, overflow {overflow}.
// The first word is the number of vectors. Then each line has one vector:
//   {columns}
// The inputs are held for `cycles` clock cycles; acc is the register after the last of them.
// Scenarios: all pairs of codes; a sum of {worst} times the highest product, and one of {worst}
// times the lowest; short sums with a clear at every position; {cycles} random cycles (seed
// {seed}); sums that go to the limits of acc, beyond them and back.
// Limits reached: {limits}.
// The first vector clears. Expected values: halfbyte's golden model.
"""

_BENCH = """\
// Self-checking bench for {module}. Reads {vectors} from the working directory, or from
// +vectors=PATH. Prints PASS or FAIL with the number of vectors; after FAIL it ends with $fatal,
// so that the exit status is not 0.
//   $ iverilog -g2012 -o bench {module}.v {bench}.v && vvp bench
//   $ verilator --binary --timing -CFLAGS -std=c++20 {bench}.v {module}.v
//   $ obj_dir/V{bench}
`timescale 1ns / 1ps
module {bench};
  localparam COUNT = {count};
  localparam COLUMNS = {columns};
  localparam SHOWN = 10;
  localparam LONG = 1_000_000;

  reg [{word}:0] memory [0:COLUMNS * COUNT];
  reg [8 * 1024 - 1:0] path;
  reg clk;
  reg [{w}:0] w;
  reg [{a}:0] a;
  reg clear;{enable_reg}
  wire signed [{acc}:0] acc;
  reg signed [{acc}:0] expected;
  reg [{word}:0] cycles;
  integer vector;
  integer failures;

  {module} dut (.clk(clk), .w(w), .a(a), .clear(clear), {enable_port}.acc(acc));

  initial begin
    failures = 0;
    clk = 0;
    memory[0] = 0;
    if (!$value$plusargs("vectors=%s", path)) path = "{vectors}";
    $readmemh(path, memory);
    if (memory[0] !== COUNT) begin
      $display("FAIL: %0s does not hold %0d vectors", path, COUNT);
      $fatal;
    end
    for (vector = 0; vector < COUNT; vector = vector + 1) begin
      w = memory[COLUMNS * vector + 2][{w}:0];
      a = memory[COLUMNS * vector + 3][{a}:0];
      clear = memory[COLUMNS * vector + 4][0];{enable_read}
      expected = memory[COLUMNS * vector + COLUMNS][{acc}:0];
      cycles = memory[COLUMNS * vector + 1];
      if (cycles > LONG) $display("vector %0d takes %0d cycles", vector, cycles);
      while (cycles != 0) begin
        cycles = cycles - 1;
        #5 clk = 1;
        #5 clk = 0;
      end
      if (acc !== expected) begin
        failures = failures + 1;
        if (failures <= SHOWN)
          $display("vector %0d: w %h, a %h, clear %b: expected %0d, seen %0d",
                   vector, w, a, clear, expected, acc);
      end
    end
    if (failures == 0) begin
      $display("PASS: %0d vectors", COUNT);
      $finish;
    end else begin
      $display("FAIL: %0d of %0d vectors", failures, COUNT);
      $fatal;
    end
  end
endmodule
"""


def _stream(weight: Format, activation: Format, terms: int, seed: int) -> Stream:
    """The scenarios that have one vector per cycle, one after the other."""
    for_clears, for_cycles = np.random.default_rng(seed).spawn(2)
    parts = (
        all_pairs(weight, activation),
        extremes(weight, activation, min(terms, MAX_WORST_PRODUCTS)),
        clears(weight, activation, for_clears),
        random_cycles(weight, activation, RANDOM_CYCLES, for_cycles),
    )
    return Stream(*(
        np.concatenate([getattr(part, column) for part in parts])
        for column in ("w", "a", "clear", "enable")
    ))  # fmt: skip


def _hex(words: Sequence[int], bits: int) -> list[str]:
    """Integers of ``bits`` bits as hexadecimal digits; negative ones in two's complement."""
    mask, digits = (1 << bits) - 1, -(-bits // 4)
    return [f"{word & mask:0{digits}x}" for word in words]


def write_vectors(spec: MacSpec, path: Path, *, seed: int = 0) -> int:
    """Write the test vectors of a MAC to ``path``; return how many there are.

    The file is text for ``$readmemh``: comments, the number of vectors, then a line for each
    vector. The line has, in hexadecimal: the number of clock cycles for which the inputs are held,
    w, a, clear, enable (if there is such a port), and the expected acc. Equal arguments give equal
    files.
    """
    weight, activation = spec.weight, spec.activation
    stream, walk = _stream(weight, activation, spec.terms, seed), walk_to_limits(spec)
    count = len(stream) + len(walk)
    held = [1] * len(stream) + [step.cycles for step in walk]
    expected = [*expectation(stream, spec).tolist(), *expected_after(spec, walk)]
    always = [1] * len(walk)
    columns = {
        "cycles": _hex(held, max(held).bit_length()),
        "w": _hex([*stream.w.tolist(), *(step.w for step in walk)], weight.bits),
        "a": _hex([*stream.a.tolist(), *(step.a for step in walk)], activation.bits),
        "clear": _hex([*stream.clear.tolist(), *(step.clear for step in walk)], 1),
        **({"enable": _hex([*stream.enable.tolist(), *always], 1)} if spec.enable else {}),
        "acc": _hex(expected, spec.width),
    }
    head = _VECTORS_HEAD.format(
        module=spec.name,
        word_bits=_word_bits(spec.width, count),
        w_title=f"{weight.name}, {weight.bits} bits",
        a_title=f"{activation.name}, {activation.bits} bits",
        acc_width=spec.width,
        overflow=spec.overflow.value,
        columns=" ".join(columns),
        worst=min(spec.terms, MAX_WORST_PRODUCTS),
        cycles=RANDOM_CYCLES,
        seed=seed,
        limits=_limits(spec, walk),
    )
    lines = map(" ".join, zip(*columns.values(), strict=True))
    write_atomically(path, head + f"{count:x}\n" + "\n".join(lines) + "\n")
    return count


def _limits(spec: MacSpec, walk: Sequence[Step]) -> str:
    """Which limits of the accumulator the walk reaches, as text for the comment of the file."""
    walks = sum(step.clear for step in walk)
    if walks == 2:
        return "both"
    reason = f"no product has its sign, or it is more than {MAX_CYCLES} such products away"
    return f"one; for the other, {reason}" if walks else f"none; for each, {reason}"


def _word_bits(acc_width: int, count: int) -> int:
    """Bits of a memory word, which holds a number of cycles, an acc, or the number of vectors."""
    return max(MAX_CYCLES.bit_length(), acc_width, count.bit_length())


def write_bench(spec: MacSpec, path: Path, *, vectors: str, count: int) -> None:
    """Write a self-checking Verilog bench of a MAC; the bench is named after the stem of ``path``.

    ``vectors`` is the name of the file that :func:`write_vectors` wrote, with ``count`` vectors.
    """
    text = _BENCH.format(
        module=spec.name,
        bench=path.stem,
        vectors=vectors,
        count=count,
        columns=6 if spec.enable else 5,
        word=_word_bits(spec.width, count) - 1,
        w=spec.weight.bits - 1,
        a=spec.activation.bits - 1,
        acc=spec.width - 1,
        enable_reg="\n  reg enable;" if spec.enable else "",
        enable_port=".enable(enable), " if spec.enable else "",
        enable_read="\n      enable = memory[COLUMNS * vector + 5][0];" if spec.enable else "",
    )
    write_atomically(path, text)
