"""Rules for Yosys that widen operands, so that Verilog lint does not warn of unequal widths."""

__all__ = ["widening"]

_BINARY = """\
(* techmap_celltype = "{cell}" *)
module _halfbyte_{name} (A, B, Y);
  parameter A_SIGNED = 0;
  parameter B_SIGNED = 0;
  parameter A_WIDTH = 1;
  parameter B_WIDTH = 1;
  parameter Y_WIDTH = 1;
  localparam WIDTH = {width};
  input [A_WIDTH-1:0] A;
  input [B_WIDTH-1:0] B;
  output [Y_WIDTH-1:0] Y;
  wire [WIDTH-1:0] a, b;
  wire _TECHMAP_FAIL_ = A_WIDTH == WIDTH && B_WIDTH == WIDTH;
  generate
    if (A_SIGNED && B_SIGNED) begin
      assign a = $signed(A);
      assign b = $signed(B);
    end else begin
      assign a = A;
      assign b = B;
    end
  endgenerate
  \\{cell} #(.A_SIGNED(A_SIGNED), .B_SIGNED(B_SIGNED), .A_WIDTH(WIDTH), .B_WIDTH(WIDTH),
    .Y_WIDTH(Y_WIDTH)) _TECHMAP_REPLACE_ (.A(a), .B(b), .Y(Y));
endmodule
"""
# The shift is as wide as the wider of operand and result. A narrower result is truncated
# afterwards.
_SHIFT = """\
(* techmap_celltype = "{cell}" *)
module _halfbyte_{name} (A, B, Y);
  parameter A_SIGNED = 0;
  parameter B_SIGNED = 0;
  parameter A_WIDTH = 1;
  parameter B_WIDTH = 1;
  parameter Y_WIDTH = 1;
  localparam WIDTH = A_WIDTH > Y_WIDTH ? A_WIDTH : Y_WIDTH;
  input [A_WIDTH-1:0] A;
  input [B_WIDTH-1:0] B;
  output [Y_WIDTH-1:0] Y;
  wire [WIDTH-1:0] a, y;
  wire _TECHMAP_FAIL_ = A_WIDTH == Y_WIDTH;
  generate
    if (A_SIGNED) assign a = $signed(A);
    else assign a = A;
  endgenerate
  \\{cell} #(.A_SIGNED(A_SIGNED), .B_SIGNED(B_SIGNED), .A_WIDTH(WIDTH), .B_WIDTH(B_WIDTH),
    .Y_WIDTH(WIDTH)) _TECHMAP_REPLACE_ (.A(a), .B(B), .Y(y));
  assign Y = y[Y_WIDTH-1:0];
endmodule
"""
_EXTENSION = """\
(* techmap_celltype = "$pos" *)
module _halfbyte_pos (A, Y);
  parameter A_SIGNED = 0;
  parameter A_WIDTH = 1;
  parameter Y_WIDTH = 1;
  input [A_WIDTH-1:0] A;
  output [Y_WIDTH-1:0] Y;
  generate
    if (A_SIGNED) assign Y = $signed(A);
    else assign Y = A;
  endgenerate
endmodule
"""
_NOT_ANY = """\
(* techmap_celltype = "$logic_not" *)
module _halfbyte_logic_not (A, Y);
  parameter A_SIGNED = 0;
  parameter A_WIDTH = 1;
  parameter Y_WIDTH = 1;
  input [A_WIDTH-1:0] A;
  output [Y_WIDTH-1:0] Y;
  wire _TECHMAP_FAIL_ = A_WIDTH == 1;
  assign Y = A == 0;
endmodule
"""
_ARITHMETIC = ("add", "sub", "mul", "and", "or", "xor", "xnor")
_COMPARISONS = ("eq", "ne", "lt", "le", "gt", "ge")
_SHIFTS = ("shl", "shr", "sshl", "sshr", "shift", "shiftx")


def widening() -> str:
    """The rules for Yosys's command ``techmap``, as Verilog text.

    They make both operands of an operation equally wide, and also the operand and the result of a
    shift. The circuit stays the same.
    """
    widths = dict.fromkeys(_ARITHMETIC, "Y_WIDTH")
    widths |= dict.fromkeys(_COMPARISONS, "A_WIDTH > B_WIDTH ? A_WIDTH : B_WIDTH")
    binary = [
        _BINARY.format(cell=f"${name}", name=name, width=width) for name, width in widths.items()
    ]
    shifts = [_SHIFT.format(cell=f"${name}", name=name) for name in _SHIFTS]
    return "".join([*binary, *shifts, _EXTENSION, _NOT_ANY])
