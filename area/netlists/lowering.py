"""Translates RTL components and netlists to circuits; one run of Yosys translates many of them."""

import re
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from amaranth.lib import wiring

from halfbyte.area.cells.cell import Cell
from halfbyte.area.netlists.circuit import Circuit, CircuitError, read_circuits
from halfbyte.area.netlists.source import check_source
from halfbyte.base import ToolError, run_yosys
from halfbyte.rtl import to_rtlil

__all__ = ["FUSED", "LOGIC", "PREPARE", "RIPPLE_CARRY", "lower", "run_lines"]

# A proof that RTL and netlist agree is quick if both have many internal signals in common. So this
# techmap turns Yosys' adders and comparators into ripple-carry chains. Yosys' own techmap builds
# prefix trees, whose carries do not occur in the adders of a netlist.
RIPPLE_CARRY = """\
(* techmap_celltype = "$lcu" *)
module _halfbyte_lcu (P, G, CI, CO);
  parameter WIDTH = 1;
  input [WIDTH-1:0] P, G;
  input CI;
  output [WIDTH-1:0] CO;
  genvar i;
  generate
    for (i = 0; i < WIDTH; i = i + 1) begin : bits
      if (i == 0) assign CO[i] = G[i] | (P[i] & CI);
      else assign CO[i] = G[i] | (P[i] & CO[i-1]);
    end
  endgenerate
endmodule
"""
# The error message in Yosys' log.
_ERROR = re.compile(r"ERROR: ?([^\n]*)")
# Commands that turn modules with processes into flat modules of word-level cells. Tables first
# become memories, then trees of multiplexers. Flattening keeps every module if none has the
# attribute `top`.
PREPARE = """\
setattr -mod -unset top
proc
flatten -noscopeinfo
memory_map
"""
# A command that builds products from carry-save adders, as synthesis does. A multiplier of another
# structure would have few internal signals in common with the netlist's multiplier.
FUSED = "alumacc\n"
# Commands that turn word-level cells into gates. The only optimizations fold constants, merge equal
# cells and remove unused ones. They reduce the number of gates of a table about tenfold.
LOGIC = """\
opt_expr
opt_merge
techmap -map ripple.v -map +/techmap.v
dffunmap
opt_expr
opt_merge
clean
"""


def run_lines(lines: Sequence[str], files: Mapping[str, str], what: str) -> str:
    """The design as JSON after the Yosys commands ``lines``, which read ``files`` (name: text).

    ``ripple.v``, which :data:`LOGIC` needs, is added to the files. ``what`` names the run in error
    messages. Raises ToolError if Yosys fails.
    """
    with tempfile.TemporaryDirectory(prefix="halfbyte-proof-") as temporary:
        folder = Path(temporary)
        for name, text in {"ripple.v": RIPPLE_CARRY, **files}.items():
            (folder / name).write_text(text)
        run_yosys("\n".join([*lines, "write_json design.json", ""]), folder, what)
        return (folder / "design.json").read_text()


def lower(
    components: Mapping[str, wiring.Component],
    netlists: Mapping[str, tuple[Path, str]] | None = None,
    cells: Mapping[str, Cell] | None = None,
    *,
    fused: bool = False,
) -> dict[str, Circuit]:
    """Translate RTL components and netlists of library cells into circuits with the same names.

    Parameters
    ----------
    components : mapping of str to component
        RTL by name. All names, also those in ``netlists``, must be lower-case identifiers that
        differ from the names of the netlists' own modules.
    netlists : mapping of str to (Path, str), optional
        For each name, the Verilog file and the module in it.
    cells : mapping of str to Cell, optional
        The library cells that the netlists may contain.
    fused : bool
        Whether products in the RTL are built from carry-save adders, as synthesis builds them. A
        proof needs this for units whose operands are too wide to be simulated exhaustively.

    Raises
    ------
    ToolError
        Yosys fails.
    CircuitError
        A netlist is not Verilog, is refused by :func:`check_source`, instantiates modules of its
        own, or does not describe a synchronous circuit.
    """
    lines = []
    with tempfile.TemporaryDirectory(prefix="halfbyte-proof-") as temporary:
        folder = Path(temporary)
        for name, component in components.items():
            (folder / f"{name}.il").write_text(to_rtlil(component, name))
            lines.append(f"read_rtlil {name}.il")
        if components:
            (folder / "ripple.v").write_text(RIPPLE_CARRY)
            lines += [PREPARE, *([FUSED] if fused else []), LOGIC]
        for name, (path, module) in (netlists or {}).items():
            source = path.read_bytes()
            check_source(source.decode("latin-1"))
            (folder / f"{name}.v").write_bytes(source)
            lines += [f"read_verilog {name}.v", f"rename {module} {name}"]
        # Submodules are still in the design after flattening; their names have a dot.
        lines += ["delete *.*", "write_json circuits.json"]
        try:
            run_yosys("\n".join(lines) + "\n", folder, "Reading circuits for a proof")
        except ToolError as error:
            complaint = _ERROR.search(error.tail)
            if netlists and complaint:
                raise CircuitError(f"A netlist cannot be read: {complaint[1]}") from None
            raise
        circuits = read_circuits((folder / "circuits.json").read_text(), cells)
    for name in netlists or ():
        if name not in circuits:
            raise CircuitError(f"Netlist {name} instantiates modules of its own: flatten it first")
    return circuits
