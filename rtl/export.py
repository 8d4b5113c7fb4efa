"""Export components as text: RTLIL, which is Yosys's own language for circuits, or Verilog."""

import re
import tempfile
from pathlib import Path

from amaranth.back import rtlil
from amaranth.hdl import ClockDomain, Fragment, Value
from amaranth.lib import wiring

from halfbyte.base import run_yosys, versions_of
from halfbyte.rtl.exported import Exported
from halfbyte.rtl.widening import widening

__all__ = ["check_module_name", "port_widths", "to_rtlil", "to_verilog"]

_TOP_MARK = "attribute \\top 1\n"
_MODULE_NAME = re.compile(r"[a-z][a-z0-9_]{0,99}")

_VERILOG_SCRIPT = """\
read_rtlil design.il
setattr -unset init w:*
proc -nomux -norom
flatten -separator _
opt_expr
opt_merge
techmap -map widen.v
opt_clean -purge
delete w:* s:0 %i
write_verilog -noattr -simple-lhs design.v
"""
# The exported text turns off these two warnings of Verilator, since they warn of things that are
# intended. If only the carry of an adder is used, nothing reads its sum bits. If a branch of a case
# statement does not assign a signal, the signal keeps the value assigned before the statement.
_UNFOUNDED = ("UNUSEDSIGNAL", "CASEINCOMPLETE")


def check_module_name(name: str) -> str:
    """Return ``name`` if it can name a Verilog module and a file; raise ValueError otherwise."""
    if not _MODULE_NAME.fullmatch(name):
        raise ValueError(
            "Module name must begin with a lower-case letter, followed by at most 99 lower-case "
            f"letters, digits or underscores, not {name[:60]!r}"
        )
    return name


def _uses_clock(fragment: Fragment) -> bool:
    """Whether the component or a part of it has registers."""
    return "sync" in fragment.statements or any(
        _uses_clock(part) for part, *_ in fragment.subfragments
    )


def _needs_reset(component: wiring.Component) -> bool:
    return isinstance(component, Exported) and component.NEEDS_RESET


def _needs_clock(component: wiring.Component) -> bool:
    return isinstance(component, Exported) and component.NEEDS_CLOCK


def _with_clock(component: wiring.Component) -> tuple[Fragment, list[Value]]:
    """The elaborated component and its ports, with a clock and a reset only if it needs them."""
    needs_reset = _needs_reset(component)
    domain = ClockDomain("sync", reset_less=not needs_reset)
    fragment = Fragment.get(component, None)
    fragment.add_domains(domain)
    members = [Value.cast(value) for _, _, value in component.signature.flatten(component)]
    clock = [domain.clk] if _needs_clock(component) or _uses_clock(fragment) else []
    reset = [domain.rst] if needs_reset else []
    return fragment, [*clock, *reset, *members]


def port_widths(component: wiring.Component) -> tuple[dict[str, int], dict[str, int]]:
    """Inputs and outputs of the exported module, except the clock, with their widths in bits."""
    inputs = {"rst": 1} if _needs_reset(component) else {}
    outputs: dict[str, int] = {}
    for path, member, value in component.signature.flatten(component):
        ports = inputs if member.flow == wiring.In else outputs
        ports["__".join(map(str, path))] = len(Value.cast(value))
    return inputs, outputs


def to_rtlil(component: wiring.Component, name: str = "mac") -> str:
    """RTLIL text of a component, with top module ``name``.

    Equal components give equal text. A :class:`Mac` has the ports clk, w, a, clear, acc, and enable
    if its specification asks for it. A port that belongs to an array of ports or to a stream is
    named after its path, such as ``words__0__valid``. The modules in :attr:`Exported.modules`,
    which the component instantiates by name, follow the top module.

    Raises ValueError as :func:`check_module_name` does.
    """
    fragment, ports = _with_clock(component)
    text = str(rtlil.convert(fragment, name=check_module_name(name), ports=ports, emit_src=False))
    modules = component.modules if isinstance(component, Exported) else {}
    parts = [to_rtlil(make(), module).replace(_TOP_MARK, "") for module, make in modules.items()]
    return "".join([text, *parts])


def to_verilog(component: wiring.Component, name: str = "mac") -> str:
    """Verilog text of a component: one flat module ``name``, below a comment that describes it.

    A :class:`Mac` has the ports clk, w, a, clear, enable (if asked for) and acc, in this order.
    Raises ValueError as :func:`to_rtlil` does, and ToolError if Yosys fails.
    """
    with tempfile.TemporaryDirectory(prefix="halfbyte-") as temporary:
        folder = Path(temporary)
        (folder / "design.il").write_text(_count_ports_from_one(to_rtlil(component, name)))
        (folder / "widen.v").write_text(widening())
        run_yosys(_VERILOG_SCRIPT, folder, f"Verilog export of {name}")
        text = (folder / "design.v").read_text()
    body = text[text.index("module ") :]
    off, on = (
        "".join(f"/* verilator lint_{switch} {name} */\n" for name in _UNFOUNDED)
        for switch in ("off", "on")
    )
    return f"{_header(component)}{off}{body}{on}"


def _count_ports_from_one(text: str) -> str:
    """The RTLIL with port numbers that begin at 1 instead of 0: Yosys would put port 0 last."""
    return re.sub(
        r"^(  wire width \d+ (?:input|output|inout)) (\d+) ",
        lambda match: f"{match[1]} {int(match[2]) + 1} ",
        text,
        flags=re.MULTILINE,
    )


def _header(component: wiring.Component) -> str:
    """The comment above the Verilog module."""
    version = versions_of("halfbyte")["halfbyte"]
    lines = [f"Generated by halfbyte {version}. SPDX-License-Identifier: Apache-2.0"]
    if isinstance(component, Exported):
        lines += component.header()
    return "".join(f"// {_printable(line)}\n" for line in lines)


def _printable(line: str) -> str:
    """``line`` with spaces for unprintable characters, which a format's title may contain."""
    return "".join(character if character.isprintable() else " " for character in line)
