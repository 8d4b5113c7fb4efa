"""Adders: Yosys techmaps that turn an addition into a chain of cells or gates, or into a tree.

A chain is a ripple-carry adder. A chain of the library's full-adder cells is the smallest adder,
and ABC does not change it. A chain of gates goes to ABC, which rearranges it for speed. The trees
are parallel-prefix adders that come with Yosys.
"""

from halfbyte.area.cells.cell import AdderCell
from halfbyte.area.cells.technology import Technology

__all__ = ["CELLS", "GATES", "TREES", "adder_options", "adder_techmap"]

CELLS, GATES = "cells", "gates"
# Parallel-prefix adders by name, with the Yosys file that contains them; None for Yosys' default.
TREES = {
    "brent_kung": None,
    "sklansky": "sklansky.v",
    "kogge_stone": "kogge-stone.v",
    "han_carlson": "han-carlson.v",
}

# A chain over the bits of Yosys' $alu cell. Operand A may have no bits. Some bits do not need a
# full adder: the last bit, whose carry is not read; bit 0, if its carry input is constant 0, or if
# both this carry and bit 0 of A or B are constant; and in an addition, any bit where B is constant
# 0. `adder_techmap` replaces HALF_OF_BOTH, HALF_OF_CARRY and FULL by a half or full adder.
_CHAIN = """\
(* techmap_celltype = "$alu" *)
module _halfbyte_alu (A, B, CI, BI, X, Y, CO);
  parameter A_SIGNED = 0;
  parameter B_SIGNED = 0;
  parameter A_WIDTH = 1;
  parameter B_WIDTH = 1;
  parameter Y_WIDTH = 1;
  parameter _TECHMAP_CONSTMSK_A_ = 0;
  parameter _TECHMAP_CONSTMSK_CI_ = 0;
  parameter _TECHMAP_CONSTVAL_CI_ = 0;
  parameter _TECHMAP_CONSTMSK_BI_ = 0;
  parameter _TECHMAP_CONSTVAL_BI_ = 0;
  parameter _TECHMAP_CONSTMSK_B_ = 0;
  parameter _TECHMAP_CONSTVAL_B_ = 0;
  input [A_WIDTH-1:0] A;
  input [B_WIDTH-1:0] B;
  input CI, BI;
  output [Y_WIDTH-1:0] X, Y, CO;
  wire [Y_WIDTH-1:0] a, b, plain_b;
  generate
    if (A_WIDTH == 0) assign a = 0;
    else
      \\$pos #(.A_SIGNED(A_SIGNED), .A_WIDTH(A_WIDTH), .Y_WIDTH(Y_WIDTH)) wide_a (.A(A), .Y(a));
  endgenerate
  \\$pos #(.A_SIGNED(B_SIGNED), .A_WIDTH(B_WIDTH), .Y_WIDTH(Y_WIDTH)) wide_b (.A(B), .Y(plain_b));
  assign b = plain_b ^ {Y_WIDTH{BI}};
  assign X = a ^ b;
  wire [Y_WIDTH:0] carry;
  assign carry[0] = CI;
  assign CO = carry[Y_WIDTH:1];
  localparam constant_carry = _TECHMAP_CONSTMSK_CI_[0];
  localparam constant_bit = _TECHMAP_CONSTMSK_A_[0] || _TECHMAP_CONSTMSK_B_[0];
  localparam constant_start = constant_carry && constant_bit;
  localparam no_carry = constant_carry && !_TECHMAP_CONSTVAL_CI_[0];
  localparam plain_addition = _TECHMAP_CONSTMSK_BI_[0] && !_TECHMAP_CONSTVAL_BI_[0];
  localparam [B_WIDTH-1:0] zeros = _TECHMAP_CONSTMSK_B_ & ~_TECHMAP_CONSTVAL_B_;
  genvar i;
  generate
    for (i = 0; i < Y_WIDTH; i = i + 1) begin : bits
      if (i == Y_WIDTH - 1 || (i == 0 && constant_start)) begin
        assign Y[i] = a[i] ^ b[i] ^ carry[i];
        assign carry[i+1] = (a[i] & b[i]) | (carry[i] & (a[i] | b[i]));
      end else if (i == 0 && no_carry) begin
        HALF_OF_BOTH
      end else if (plain_addition && i < B_WIDTH && zeros[i]) begin
        HALF_OF_CARRY
      end else begin
        FULL
      end
    end
  endgenerate
endmodule
"""


def adder_options(adder: str) -> str:
    """Options of Yosys' ``techmap`` for a named adder; a chain is read from ``adders.v``."""
    if adder in (CELLS, GATES):
        return "-map adders.v"
    tree = TREES[adder]
    return "-map +/techmap.v" + (f" -map +/choices/{tree}" if tree else "")


def adder_techmap(technology: Technology, adder: str = CELLS) -> str:
    """Verilog for ``techmap -map`` that makes ripple-carry adders of the technology's adder cells.

    Bits for which the technology lacks a half or full adder become gates for ABC. If ``adder`` is
    not ``cells``, all bits become gates.
    """
    bit = ("a[i]", "b[i]")
    cells = (technology.half_adder, technology.full_adder) if adder == CELLS else (None, None)
    operands = {
        "HALF_OF_BOTH": bit,
        "HALF_OF_CARRY": ("a[i]", "carry[i]"),
        "FULL": (*bit, "carry[i]"),
    }
    text = _CHAIN
    for place, inputs in operands.items():
        cell = cells[len(inputs) - 2]
        text = text.replace(place, _bit(cell, inputs, "Y[i]", "carry[i+1]"))
    return text


def _bit(adder: AdderCell | None, inputs: tuple[str, ...], total: str, carry: str) -> str:
    """Verilog of one bit: an adder cell, with its inverted outputs inverted back, or else logic."""
    if adder is None:
        pairs = [
            f"({left} & {right})"
            for position, left in enumerate(inputs)
            for right in inputs[position + 1 :]
        ]
        return f"assign {total} = {' ^ '.join(inputs)}; assign {carry} = {' | '.join(pairs)};"
    pins = [f".{pin}({net})" for pin, net in zip(adder.inputs, inputs, strict=True)]
    pins += [f".{adder.total}(cell_total)", f".{adder.carry}(cell_carry)"]
    total_mark = "~" if adder.total_inverted else ""
    carry_mark = "~" if adder.carry_inverted else ""
    return (
        f"wire cell_total, cell_carry; {adder.cell} cell ({', '.join(pins)}); "
        f"assign {total} = {total_mark}cell_total; assign {carry} = {carry_mark}cell_carry;"
    )
