"""Writes netlists as simple structural Verilog: ports, one-bit wires, cells and assignments.

Timing analyzers, simulators and synthesis tools read such Verilog the same way. It does not use
signed vectors, attributes or undefined values. Wires and instances have plain names; only a module,
a port or a type of cell may need an escaped identifier. A net is named after its port, else after a
signal of the RTL, else after its number in Yosys' JSON.
"""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from halfbyte.area.netlists.netlist import Net

__all__ = ["structural_verilog"]

_IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
# Reserved words that a signal of the RTL might be called. They are words of Verilog and of
# SystemVerilog, which Verilator reads.
_WORDS = """
always and assign begin bit bind buf byte case cell class clocking config const cover default
design disable do edge else end endmodule enum event export expect extends final first_match for
force function generate global if import initial inout input inside instance int integer interface
join library local logic macromodule module nand negedge new nor not or output package parameter
posedge primitive priority property pulldown pullup rand real ref reg release repeat return
sequence signed small specify static strong string struct super supply0 supply1 table tagged task
this time tri type typedef union unique unsigned use var vectored virtual void wait wand weak
while wire with within wor xnor xor
"""
_KEYWORDS = frozenset(_WORDS.split())
_UNDEFINED = "x"


def structural_verilog(text: str) -> str:
    """The Verilog of the modules in ``text``, which is JSON from Yosys' ``write_json``.

    Undefined values are written as 0.
    """
    modules = json.loads(text)["modules"]
    return "\n".join(_Module(name, body).text() for name, body in modules.items())


def _escaped(name: str) -> str:
    """The name, written as an escaped identifier if it is not a plain Verilog name."""
    plain = _IDENTIFIER.fullmatch(name) and name not in _KEYWORDS
    return name if plain else f"\\{name} "


def _nets(cell: Mapping[str, Any]) -> Iterator[Net]:
    for nets in cell["connections"].values():
        yield from nets


class _Module:
    """One module, and the names of its nets."""

    def __init__(self, name: str, body: Mapping[str, Any]) -> None:
        self.name, self.body = name, body
        self.ports: Mapping[str, Any] = body["ports"]
        self.names: dict[Net, str] = {"0": "1'b0", "1": "1'b1", _UNDEFINED: "1'b0"}
        self.taken = {_escaped(port) for port in self.ports} | _KEYWORDS
        self.wires: list[str] = []

    def text(self) -> str:
        self._name_ports()
        self._name_signals()
        cells = [line for entry in self.body["cells"].items() for line in self._cell(*entry)]
        return "\n".join(
            [
                f"module {_escaped(self.name)}({', '.join(map(_escaped, self.ports))});",
                *self._declarations(),
                *(f"  wire {wire};" for wire in self.wires),
                *cells,
                *self._assignments(),
                "endmodule",
                "",
            ]
        )

    def _declarations(self) -> Iterator[str]:
        for name, port in self.ports.items():
            width = len(port["bits"])
            bits = f"[{width - 1}:0] " if width > 1 else ""
            yield f"  {port['direction']} {bits}{_escaped(name)};"

    def _bits(self) -> Iterator[tuple[str, str, Net]]:
        """The direction, the name and the net of every bit of every port."""
        for name, port in self.ports.items():
            for place, net in enumerate(port["bits"]):
                index = f"[{place}]" if len(port["bits"]) > 1 else ""
                yield port["direction"], _escaped(name) + index, net

    def _name_ports(self) -> None:
        """Name the nets of ports. A net of both an input and an output gets the input's name."""
        for direction in ("input", "output"):
            for port_direction, name, net in self._bits():
                if port_direction == direction:
                    self.names.setdefault(net, name)

    def _name_signals(self) -> None:
        """Name nets after RTL signals, if they are connected to a cell and have no name yet.

        If a net belongs to several signals, the shortest name is used.
        """
        used = {net for cell in self.body["cells"].values() for net in _nets(cell)}
        for signal, wire in sorted(
            self.body["netnames"].items(), key=lambda entry: (len(entry[0]), entry[0])
        ):
            for place, net in enumerate(() if wire.get("hide_name") else wire["bits"]):
                if net in used and net not in self.names:
                    base = re.sub(r"\W", "_", signal).lstrip("0123456789") or "n"
                    self._declare(net, f"{base}_{place}" if len(wire["bits"]) > 1 else base)

    def _declare(self, net: Net, name: str) -> None:
        self.names[net] = self._free(name)
        self.wires.append(self.names[net])

    def _free(self, name: str) -> str:
        """The name, with underscores appended if it is a keyword or already in use."""
        while name in self.taken:
            name += "_"
        self.taken.add(name)
        return name

    def _net(self, net: Net) -> str:
        """The name of a net; a net that has no name yet is named after its number."""
        if net not in self.names:
            self._declare(net, f"n{net}")
        return self.names[net]

    def _cell(self, name: str, cell: Mapping[str, Any]) -> Iterator[str]:
        plain = name if _IDENTIFIER.fullmatch(name) else f"u{len(self.taken)}"
        pins = [
            f".{pin}({self._net(nets[0])})" for pin, nets in cell["connections"].items() if nets
        ]
        yield f"  {_escaped(cell['type'])} {self._free(plain)} ({', '.join(pins)});"

    def _assignments(self) -> Iterator[str]:
        for direction, name, net in self._bits():
            if direction == "output" and self._net(net) != name:
                yield f"  assign {name} = {self._net(net)};"
