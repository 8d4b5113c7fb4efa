"""Joins all ports of a component into two, so that a bench reads and writes once per cycle."""

import json
from collections.abc import Mapping
from dataclasses import dataclass

__all__ = ["PortMap"]

TOP = "bench"
# Verilator stores wide ports in words of this size.
_WORD_BITS = 32

# Verilator shows cocotb only public signals.
_MODULE = """\
module {top} (clk, stimulus, result);
  input clk /* verilator public_flat_rw */;
  input [{stimulus}:0] stimulus /* verilator public_flat_rw */;
  output [{result}:0] result /* verilator public_flat_rd */;
{wires}  {module} dut (.clk(clk), {connections});
endmodule
"""


def _whole_words(widths: Mapping[str, int]) -> int:
    """Bits of all ports together, rounded up to whole words; at least one word."""
    return max(1, -(-sum(widths.values()) // _WORD_BITS)) * _WORD_BITS


def _offsets(widths: Mapping[str, int]) -> dict[str, int]:
    """The lowest bit of each port, if the ports lie one after the other."""
    ends: list[int] = [0]
    for width in widths.values():
        ends.append(ends[-1] + width)
    return dict(zip(widths, ends, strict=False))


@dataclass(frozen=True)
class PortMap:
    """The widths of a module's inputs and outputs, without the clock ``clk``.

    The module ``bench`` around it joins all inputs to one wide input, ``stimulus``, and all outputs
    to one wide output, ``result``. The first input and the first output are in the lowest bits.
    """

    inputs: Mapping[str, int]
    outputs: Mapping[str, int]

    @property
    def input_offsets(self) -> dict[str, int]:
        """The lowest bit of each input in ``stimulus``."""
        return _offsets(self.inputs)

    @property
    def output_offsets(self) -> dict[str, int]:
        """The lowest bit of each output in ``result``."""
        return _offsets(self.outputs)

    def verilog(self, module: str) -> str:
        """Verilog of the module ``bench`` around ``module``, which has these ports."""
        wires, connections = [], []
        for name, offset in self.input_offsets.items():
            high = offset + self.inputs[name] - 1
            connections.append(f".{name}(stimulus[{high}:{offset}])")
        for name, offset in self.output_offsets.items():
            high = offset + self.outputs[name] - 1
            connections.append(f".{name}(result[{high}:{offset}])")
        used = sum(self.outputs.values())
        top = _whole_words(self.outputs) - 1
        if used <= top:
            wires.append(f"  assign result[{top}:{used}] = 0;\n")
        return _MODULE.format(
            top=TOP,
            module=module,
            stimulus=_whole_words(self.inputs) - 1,
            result=top,
            wires="".join(wires),
            connections=", ".join(connections),
        )

    def to_json(self) -> str:
        """The map as JSON text."""
        return json.dumps([dict(self.inputs), dict(self.outputs)])

    @classmethod
    def from_json(cls, text: str) -> "PortMap":
        """The map that :meth:`to_json` wrote."""
        return cls(*json.loads(text))
