"""Makes a scoreboard in Verilog, which applies vectors from files and compares the outputs.

A bench in Python would read and write signals in every cycle, which takes far longer than
simulating the unit. Python only starts this scoreboard, once for thousands of cycles.
"""

from collections.abc import Iterable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from halfbyte.sim.ports import TOP, PortMap

__all__ = ["DEPTH", "player_verilog", "write_vectors"]

# Number of vectors that the scoreboard's memories hold.
DEPTH = 8192
_STIMULI, _EXPECTED = "stimuli.hex", "expected.hex"

# The scoreboard works on the falling edge, when the outputs have settled. When `load` rises, it
# reads the files and starts. It stops the unit's clock at the first difference, or after vector
# number `last`.
_MODULE = """\
module {top} (clk, load, last{mutant_port});
  input clk /* verilator public_flat_rw */;
  input load /* verilator public_flat_rw */;
  input [{address}:0] last /* verilator public_flat_rw */;
{mutant}  reg running /* verilator public_flat_rd */;
  reg failed /* verilator public_flat_rd */;
  reg [{address}:0] number /* verilator public_flat_rd */;
  wire [{result}:0] result /* verilator public_flat_rd */;
  reg [{stimulus}:0] stimuli [0:{deepest}];
  reg [{result}:0] expected [0:{deepest}];
  wire [{stimulus}:0] stimulus = stimuli[number];
  reg loaded;
  initial begin
    running = 0;
    failed = 0;
    loaded = 0;
    number = 0;
  end
  always @(negedge clk) begin
    loaded <= load;
    if (load & ~loaded) begin
      $readmemh("{stimuli_file}", stimuli);
      $readmemh("{expected_file}", expected);
      number <= 0;
      failed <= 0;
      running <= 1;
    end else if (running) begin
      failed <= result !== expected[number];
      running <= result === expected[number] && number != last;
      number <= result === expected[number] && number != last ? number + 1'b1 : number;
    end
  end
{padding}  {module} dut (.clk(clk & running), {connections});
endmodule
"""


def player_verilog(ports: PortMap, module: str, *, mutant_bits: int = 0) -> str:
    """Verilog of the scoreboard, the module ``bench``, around ``module``, which has these ports.

    If ``mutant_bits`` is not 0, both modules have one more input, ``mutant``, of that many bits.
    """
    inputs, outputs = _bytes(ports.inputs.values()), _bytes(ports.outputs.values())
    connections = [
        f".{name}({word}[{offsets[name] + width - 1}:{offsets[name]}])"
        for word, widths, offsets in (
            ("stimulus", ports.inputs, ports.input_offsets),
            ("result", ports.outputs, ports.output_offsets),
        )
        for name, width in widths.items()
    ]
    mutant = padding = ""
    if mutant_bits:
        mutant = f"  input [{mutant_bits - 1}:0] mutant /* verilator public_flat_rw */;\n"
        connections.append(".mutant(mutant)")
    used = sum(ports.outputs.values())
    if used < 8 * outputs:
        padding = f"  assign result[{8 * outputs - 1}:{used}] = 0;\n"
    return _MODULE.format(
        top=TOP,
        module=module,
        address=(DEPTH - 1).bit_length() - 1,
        deepest=DEPTH - 1,
        stimulus=8 * inputs - 1,
        result=8 * outputs - 1,
        stimuli_file=_STIMULI,
        expected_file=_EXPECTED,
        mutant_port=", mutant" if mutant_bits else "",
        mutant=mutant,
        padding=padding,
        connections=", ".join(connections),
    )


def write_vectors(stimulus: NDArray[np.uint8], expected: NDArray[np.uint8], folder: Path) -> None:
    """Write the files that the scoreboard reads, for at most ``DEPTH`` cycles.

    ``stimulus`` and ``expected`` are (T, bytes), the lowest byte first.
    """
    for name, rows in ((_STIMULI, stimulus), (_EXPECTED, expected)):
        lines = (row.tobytes().hex() for row in rows[:, ::-1])
        (folder / name).write_text("\n".join(lines) + "\n")


def _bytes(widths: Iterable[int]) -> int:
    """The number of bytes for ports whose widths in bits are ``widths``."""
    return -(-sum(widths) // 8)
