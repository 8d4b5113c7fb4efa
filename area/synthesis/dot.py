"""Runs one synthesis of a dot-product unit, from its RTL and the finished netlist of a lane.

A *lane* multiplies one pair of codes. Its netlist comes from a search of its own
(:mod:`halfbyte.area.synthesis.lane`). A tree of full adders adds the products. The RTL already
contains each of these full adders, and each becomes a full-adder cell if the library has one. ABC
maps the remaining logic, such as the FP32 stage if there is one.
"""

import time
from pathlib import Path

from halfbyte.area.cells.technology import Technology
from halfbyte.area.synthesis.adders import adder_options, adder_techmap
from halfbyte.area.synthesis.recipes import CLEAN, QUICK, RESUBSTITUTE, Recipe
from halfbyte.area.synthesis.yosys import SynthesisResult, constraints, read_result, write_netlist
from halfbyte.base import run_yosys
from halfbyte.rtl.dot import AdderStyle

__all__ = ["DOT_RECIPES", "LANE_NETLIST", "adder_style", "synthesize_dot"]

TOP, LANE = "dot", "lane"
# A recipe that restructures the logic outside of lanes and adders. This logic is a small part of an
# integer unit, but a third of an FP32 unit.
RESTRUCTURED = Recipe(
    "resyn",
    "resubstitution, restructuring, resubstitution, then area mapping",
    (*CLEAN, *RESUBSTITUTE, "&get -n", "&syn4", "&put", *RESUBSTITUTE, "dch", "amap -m", "topo"),
)
DOT_RECIPES = (QUICK, RESTRUCTURED)
# The file with the netlist of a lane.
LANE_NETLIST = "lane.v"


def adder_style(technology: Technology) -> AdderStyle:
    """Which outputs of the library's full-adder cell are inverted; none if it lacks such a cell."""
    cell = technology.full_adder
    return AdderStyle(cell.total_inverted, cell.carry_inverted) if cell else AdderStyle()


def _full_adder(technology: Technology) -> str:
    """Verilog for ``techmap``: the tree's full adder as a library cell; empty if there is none."""
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
    rtlil: str,
    lane: str | None,
    technology: Technology,
    recipe: Recipe,
    folder: Path,
    clock_ps: float | None = None,
) -> SynthesisResult:
    """Synthesize a unit. All files, such as ``netlist.v``, stay in ``folder``.

    Parameters
    ----------
    rtlil : str
        The unit; its top module is ``dot``.
    lane : str, optional
        The netlist of a lane in the technology's cells, as Verilog with the module ``lane``.
        Without it, ABC maps the lanes together with the other logic.
    technology : Technology
        The library cells. The unit's RTL must have been made for their :func:`adder_style`.
    recipe : Recipe
        Its ABC script maps the logic outside of lanes and adders.
    folder : Path
        Created if missing; its parent folder must exist.
    clock_ps : float, optional
        The clock period in ps, for a recipe with a clock.

    Raises
    ------
    ToolError
        Yosys or ABC failed.
    ValueError
        The recipe has a clock, but ``clock_ps`` is missing.
    """
    start = time.monotonic()
    folder.mkdir(exist_ok=True)
    (folder / "design.il").write_text(rtlil)
    (folder / "cells.lib").write_text(technology.liberty_text())
    (folder / "full_adder.v").write_text(_full_adder(technology))
    (folder / "adders.v").write_text(adder_techmap(technology, recipe.adder))
    (folder / "rest.abc").write_text(recipe.script(clock_ps))
    if recipe.clocked:
        (folder / "strengths.lib").write_text(technology.liberty_text(clocked=True))
        (folder / "clock.constr").write_text(constraints(technology))
    if lane is not None:
        (folder / LANE_NETLIST).write_text(lane)
    run_yosys(
        _script(technology, lane is not None, recipe),
        folder,
        f"Synthesis with recipe {recipe.name}",
    )
    return read_result(folder, technology, start)


def _script(technology: Technology, has_lane: bool, recipe: Recipe) -> str:
    """The Yosys script; with ``has_lane``, a netlist replaces the module of the lane."""
    cells = "-liberty cells.lib"
    if recipe.clocked:
        cells = "-liberty strengths.lib -constr clock.constr"
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
        f"techmap {adder_options(recipe.adder)}",
        "techmap",
        "opt -full",
        # Proofs need to know which signal each register holds. `dfflibmap` loses this.
        "write_json registers.json",
        "dfflibmap -liberty cells.lib",
        f"abc {cells} -script rest.abc {TOP}",
        *write_netlist(technology),
    ]
    return "\n".join(lines) + "\n"
