"""One synthesis of a dot-product unit: its lanes as they were found, its adders as cells.

A lane is searched alone (:mod:`halfbyte.area.synthesis.lane`) and comes as a netlist. The adders of
the tree were placed by the generator, and become the library's full-adder cells one by one. What is
left for ABC is the logic between them, and an FP32 stage.
"""

import time
from pathlib import Path

from halfbyte.area.cells.technology import Technology
from halfbyte.area.synthesis.adders import adder_techmap
from halfbyte.area.synthesis.recipes import CLEAN, QUICK, RESUBSTITUTE, Recipe
from halfbyte.area.synthesis.yosys import SynthesisResult, read_result, write_netlist
from halfbyte.base import run_yosys
from halfbyte.rtl.dot import AdderStyle

__all__ = ["DOT_RECIPES", "LANE_NETLIST", "adder_style", "synthesize_dot"]

TOP, LANE = "dot", "lane"
# Of what is neither lane nor adder: little in an integer unit, a third of one in FP32.
RESTRUCTURED = Recipe(
    "resyn",
    "resubstitution, restructuring, resubstitution, then area mapping",
    (*CLEAN, *RESUBSTITUTE, "&get -n", "&syn4", "&put", *RESUBSTITUTE, "dch", "amap -m", "topo"),
)
DOT_RECIPES = (QUICK, RESTRUCTURED)
# The file with the netlist of a lane.
LANE_NETLIST = "lane.v"


def adder_style(technology: Technology) -> AdderStyle:
    """The polarity of the library's full-adder cell; plain where there is none."""
    cell = technology.full_adder
    return AdderStyle(cell.total_inverted, cell.carry_inverted) if cell else AdderStyle()


def _full_adder(technology: Technology) -> str:
    """A techmap from the tree's full adders to the library's; nothing without one."""
    cell = technology.full_adder
    if cell is None:
        return ""
    pins = [f".{pin}({net})" for pin, net in zip(cell.inputs, "abc", strict=True)]
    pins += [f".{cell.total}(total)", f".{cell.carry}(carry)"]
    return (
        f"module {adder_style(technology).module} (input a, b, c, output total, carry);\n"
        f"  {cell.cell} cell ({', '.join(pins)});\n"
        "endmodule\n"
    )


def synthesize_dot(
    rtlil: str, lane: str | None, technology: Technology, recipe: Recipe, folder: Path
) -> SynthesisResult:
    """Synthesize a unit into ``folder``: script, log, statistics, ``netlist.v``, ``netlist.json``.

    Parameters
    ----------
    rtlil : str
        The unit, module ``dot``.
    lane : str, optional
        The netlist of a lane, module ``lane`` of the technology's cells; without one it is mapped
        with the rest.
    technology : Technology
        The cells. The unit's adders must be in :func:`adder_style`.
    recipe : Recipe
        Its script maps what is neither lane nor adder.
    folder : Path
        Made if need be.

    Raises ToolError if Yosys or ABC fails.
    """
    start = time.monotonic()
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "design.il").write_text(rtlil)
    (folder / "cells.lib").write_text(technology.liberty_text())
    (folder / "full_adder.v").write_text(_full_adder(technology))
    (folder / "adders.v").write_text(adder_techmap(technology, recipe.adder))
    (folder / "rest.abc").write_text(recipe.script(None))
    if lane is not None:
        (folder / LANE_NETLIST).write_text(lane)
    run_yosys(_script(technology, lane is not None), folder, f"Synthesis with recipe {recipe.name}")
    return read_result(folder, technology, start)


def _script(technology: Technology, has_lane: bool) -> str:
    lines = [
        "read_rtlil design.il",
        f"hierarchy -check -top {TOP}",
        "setattr -unset init w:*",
        *([f"delete {LANE}", f"read_verilog {LANE_NETLIST}"] if has_lane else []),
        "techmap -map full_adder.v",
        f"hierarchy -top {TOP}",
        "proc -norom",
        "flatten",
        "opt -full",
        "wreduce",
        "alumacc",
        "opt",
        "techmap -map adders.v",
        "techmap",
        "opt -full",
        # The last that knows which signal a register holds.
        "write_json registers.json",
        "dfflibmap -liberty cells.lib",
        f"abc -liberty cells.lib -script rest.abc {TOP}",
        *write_netlist(technology),
    ]
    return "\n".join(lines) + "\n"
