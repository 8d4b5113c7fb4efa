"""Makes the Verilog that is simulated: exported MACs, side by side in the module ``bench``."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from halfbyte.rtl import MacSpec, to_verilog
from halfbyte.sim.plan import STIMULUS_BITS, Field, Layout

__all__ = [
    "TIMESCALE",
    "TOP",
    "Netlists",
    "bench_verilog",
    "layout_of",
    "netlist_bench_verilog",
    "top_verilog",
]

TOP = "bench"
# The test bench gives the clock period in nanoseconds.
TIMESCALE = "`timescale 1ns / 1ps\n"

# Verilator shows cocotb only public signals. Only the ports of the bench are public, since more
# public signals make builds slower.
_HEAD = """\
module {top} (clk, stimulus, acc{mutant_port});
  input clk /* verilator public_flat_rw */;
  input [{stimulus}:0] stimulus /* verilator public_flat_rw */;
  output [{acc}:0] acc /* verilator public_flat_rd */;
  wire [{w}:0] w = stimulus[{w}:0];
  wire [{a}:0] a = stimulus[{a_top}:{a_bottom}];
  wire clear = stimulus[{clear}];
  wire enable = stimulus[{enable}];
"""


@dataclass(frozen=True)
class Netlists:
    """The netlists of a MAC that are simulated instead of its RTL, one for each accumulator.

    Parameters
    ----------
    cells : str
        Verilog models of the library's cells.
    macs : tuple of str
        Verilog of a module ``mac`` for each MAC of :func:`halfbyte.rtl.variants`, in this order.
    """

    cells: str
    macs: tuple[str, ...]


def layout_of(macs: Mapping[str, MacSpec], *, title: str, seed: int) -> Layout:
    """The layout of the bench's ports for ``macs``, by name; all have the same two formats."""
    first = next(iter(macs.values()))
    weight, activation = first.weight, first.activation
    return Layout(
        title=title,
        seed=seed,
        w_values=tuple(map(str, weight.values)),
        a_values=tuple(map(str, activation.values)),
        unit=str(weight.quantum * activation.quantum),
        fields=tuple(Field(f"mac_{name}", spec.width, spec.enable) for name, spec in macs.items()),
    )


def bench_verilog(macs: Mapping[str, MacSpec], layout: Layout) -> str:
    """Verilog text of the module ``bench`` and of every MAC in it."""
    texts = [
        to_verilog(spec.component(), name=field.name)
        for spec, field in zip(macs.values(), layout.fields, strict=True)
    ]
    return "\n".join([TIMESCALE, *texts, top_verilog(layout)])


def netlist_bench_verilog(netlists: Netlists, layout: Layout) -> str:
    """Verilog text of the module ``bench`` around netlists, with the models of their cells."""
    macs = [
        re.sub(r"^module mac\b", f"module {field.name}", text, count=1, flags=re.MULTILINE)
        for text, field in zip(netlists.macs, layout.fields, strict=True)
    ]
    return "\n".join([TIMESCALE, netlists.cells, *macs, top_verilog(layout)])


def top_verilog(layout: Layout, *, mutant_bits: int = 0) -> str:
    """Verilog of the module ``bench``: all MACs get the stimulus, and ``acc`` has all their sums.

    If ``mutant_bits`` is not 0, this module and the MACs have one more input, ``mutant``, of that
    many bits.
    """
    w, a = layout.w_bits, layout.a_bits
    lines = [
        _HEAD.format(
            top=TOP,
            stimulus=STIMULUS_BITS - 1,
            acc=layout.acc_bits - 1,
            w=w - 1,
            a=a - 1,
            a_top=w + a - 1,
            a_bottom=w,
            clear=w + a,
            enable=w + a + 1,
            mutant_port=", mutant" if mutant_bits else "",
        )
    ]
    if mutant_bits:
        lines.append(f"  input [{mutant_bits - 1}:0] mutant /* verilator public_flat_rw */;\n")
    mutant = ".mutant(mutant), " if mutant_bits else ""
    for field, offset in zip(layout.fields, layout.offsets, strict=True):
        enable = ".enable(enable), " if field.enable else ""
        lines.append(
            f"  {field.name} {field.name}_i (.clk(clk), .w(w), .a(a), .clear(clear), {enable}"
            f"{mutant}.acc(acc[{offset + field.width - 1}:{offset}]));\n"
        )
    used = sum(field.width for field in layout.fields)
    if used < layout.acc_bits:
        lines.append(f"  assign acc[{layout.acc_bits - 1}:{used}] = 0;\n")
    return "".join([*lines, "endmodule\n"])
