"""One synthesis: RTLIL to a netlist of library cells, and its area."""

import json
import time
from dataclasses import dataclass
from pathlib import Path

from halfbyte.area.adders import adder_techmap
from halfbyte.area.recipes import Recipe
from halfbyte.area.technology import Technology
from halfbyte.base import run_yosys

__all__ = ["MAC", "MULTIPLIER", "SynthesisResult", "synthesise_rtlil"]

# What `rtl.to_rtlil` calls the modules.
MAC = "mac"
MULTIPLIER = "mac.multiplier"


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
    (folder / "abc.script").write_text("\n".join(recipe.abc) + "\n")
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
    # Additions are gathered before modules are dissolved, or the multiplication would swallow the
    # accumulator's; and get their cells before multiplications become gates.
    lines = [
        "read_rtlil design.il",
        f"hierarchy -check -top {top}",
        "setattr -unset init w:*",
        "proc -norom",  # or a table becomes a memory
        "opt -full",
        "wreduce",
        "alumacc",
        "opt",
        "techmap -map adders.v",
        "techmap",
        "flatten",
        "opt -full",
        "dfflibmap -liberty cells.lib",
        "abc -liberty cells.lib -script abc.script",
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
