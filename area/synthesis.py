"""One synthesis: RTLIL to a netlist of library cells, and its area."""

import json
import time
from dataclasses import dataclass
from pathlib import Path

from halfbyte.area.adders import adder_techmap
from halfbyte.area.recipes import QUICK, Recipe
from halfbyte.area.technology import Technology
from halfbyte.base import run_yosys

__all__ = ["MAC", "MULTIPLIER", "SynthesisResult", "synthesise_rtlil"]

# The modules that are synthesised, and the part of a MAC that is searched by itself.
MAC = "mac"
ADDEND = "mac.addend"
MULTIPLIER = "multiplier"


@dataclass(frozen=True)
class SynthesisResult:
    """A netlist's area and that of its flip-flops, in um^2, and its cells."""

    area_um2: float
    register_um2: float
    cells: int
    seconds: float


def synthesise_rtlil(
    rtlil: str, technology: Technology, recipe: Recipe, folder: Path, top: str = MAC
) -> SynthesisResult:
    """Synthesise module ``top`` of ``rtlil``; script, log, statistics and ``netlist.v`` stay in
    ``folder``.

    Raises ToolError if Yosys or ABC fails.
    """
    start = time.monotonic()
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "design.il").write_text(rtlil)
    (folder / "cells.lib").write_text(technology.liberty_text())
    (folder / "adders.v").write_text(adder_techmap(technology))
    (folder / "search.abc").write_text("\n".join(recipe.abc) + "\n")
    (folder / "rest.abc").write_text("\n".join(QUICK.abc) + "\n")
    run_yosys(_script(top), folder, f"Synthesis with recipe {recipe.name}")
    counts = _cell_counts(folder / "statistics.json", technology)
    areas = {cell: technology.cells[cell].area * count for cell, count in counts.items()}
    return SynthesisResult(
        area_um2=round(sum(areas.values()), 4),
        register_um2=round(areas.get(technology.flip_flop.name, 0.0), 4),
        cells=sum(counts.values()),
        seconds=round(time.monotonic() - start, 3),
    )


def _script(top: str) -> str:
    # The addend depends on nothing but the two codes. Alone it is small enough for the searches of
    # the recipes, which grow with the number of inputs; in a MAC the rest is mapped around it.
    searched = ADDEND if top == MAC else top
    lines = [
        "read_rtlil design.il",
        f"hierarchy -check -top {top}",
        "setattr -unset init w:*",
        "proc -norom",  # or a table becomes a memory
        "opt -full",
        "wreduce",
        f"flatten {searched}",
        "alumacc",
        "opt",
        *([f"techmap -map adders.v {MAC}"] if top == MAC else []),
        "techmap",
        "opt -full",
        "dfflibmap -liberty cells.lib",
        f"abc -liberty cells.lib -script search.abc {searched}",
        *([f"abc -liberty cells.lib -script rest.abc {MAC}"] if top == MAC else []),
        "flatten",  # also drops the modules that are parts of others by now
        "opt_clean -purge",
        "tee -q -o statistics.json stat -json -liberty cells.lib",
        "write_verilog -noattr netlist.v",
    ]
    return "\n".join(lines) + "\n"


def _cell_counts(path: Path, technology: Technology) -> dict[str, int]:
    """How often each cell stands in the netlist; every one must be the technology's."""
    design = json.loads(path.read_text())["design"]
    counts = {str(cell): int(count) for cell, count in design["num_cells_by_type"].items()}
    unknown = sorted(set(counts) - set(technology.cells))
    if unknown:
        raise AssertionError(f"Netlist holds unmapped cells: {', '.join(unknown)}")
    return counts
