"""Refuses Verilog netlists that Yosys and another tool might read differently.

A proof reads a netlist with Yosys, but simulators and chip tools also read it. So nothing in the
text may mean one thing to one tool and another thing to another tool.
"""

import re

from halfbyte.area.netlists.circuit import CircuitError

__all__ = ["check_source"]

# The parts of a text that matter here: directives, and keywords that begin a module. Comments,
# strings and escaped names are matched too, so that nothing inside them counts as a directive or a
# keyword.
_TOKENS = re.compile(
    r'//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\])*"|\\\S+|`\w*|(?<![\w$])(?:macro)?module(?![\w$])',
    re.DOTALL,
)
_PRAGMA = re.compile(r"\btranslate_(?:off|on)\b")
# Directives that do not change what is connected.
_HARMLESS = frozenset(
    {"`timescale", "`default_nettype", "`celldefine", "`endcelldefine", "`resetall", "`line"}
)


def check_source(text: str) -> None:
    """Raise CircuitError if ``text`` has something that tools might read differently.

    Compiler directives such as `` `ifdef`` and macros are refused, except for a few harmless ones,
    and so are comments that switch a tool off. A second module is refused too, since a tool might
    take it for a cell of the library.
    """
    modules = 0
    for token in _TOKENS.findall(text):
        if token.startswith(("//", "/*")):
            if pragma := _PRAGMA.search(token):
                raise CircuitError(f"A netlist must not switch tools off: remove {pragma[0]}")
        elif token.startswith("`") and token not in _HARMLESS:
            raise CircuitError(
                f"A netlist must mean the same to every tool: write it without {token}"
            )
        modules += token in ("module", "macromodule")
    if modules > 1:
        raise CircuitError(
            f"A netlist must be one module of library cells, without modules of its own; this one "
            f"has {modules} modules: flatten it first"
        )
