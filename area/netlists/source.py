"""Refuse texts of netlists that Yosys and a simulator would read differently.

A proof reads a netlist with Yosys, and chips and simulations are made with other tools. So nothing
in the text may depend on who reads it.
"""

import re

from halfbyte.area.netlists.circuit import CircuitError

__all__ = ["check_source"]

# Comments, texts and escaped names, inside which nothing else counts; directives; module heads.
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
    """Raise CircuitError unless ``text`` is one module that is the same for every tool.

    Conditional text, included text and macros are refused, and comments that switch a tool off.
    Further modules are refused too, since a tool might take one of them for a cell of the library.
    """
    modules = 0
    for token in _TOKENS.findall(text):
        if token.startswith(("//", "/*")):
            if pragma := _PRAGMA.search(token):
                raise CircuitError(f"A netlist must not switch tools off: remove {pragma[0]}")
        elif token.startswith("`") and token not in _HARMLESS:
            raise CircuitError(
                f"A netlist must be the same for every tool: write it without {token}"
            )
        modules += token in ("module", "macromodule")
    if modules > 1:
        raise CircuitError(
            f"A netlist is one module of the library's cells; this has modules of its own "
            f"({modules} in all): flatten it first"
        )
