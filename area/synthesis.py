"""One synthesis: RTLIL to a netlist of library cells, and its area."""

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from halfbyte.area.adders import adder_techmap
from halfbyte.area.recipes import Adders, Recipe
from halfbyte.area.technology import Technology
from halfbyte.base import run_yosys

__all__ = ["SynthesisResult", "synthesise_rtlil"]

# What `rtl.to_rtlil` calls the modules.
TOP = "mac"
MULTIPLIER = "mac.multiplier"


@dataclass(frozen=True)
class SynthesisResult:
    """The areas of one netlist, in um^2.

    ``multiplier_um2`` is the multiplier synthesised alone by the same recipe, ``register_um2`` the
    flip-flops, and ``accumulator_um2`` the rest of the whole: adder, clear and sign logic.
    Synthesis optimises across the border, so this figure is what the multiplier leaves to explain.
    """

    area_um2: float
    multiplier_um2: float
    accumulator_um2: float
    register_um2: float
    cells: int
    cell_counts: Mapping[str, int]
    seconds: float


def synthesise_rtlil(
    rtlil: str, technology: Technology, recipe: Recipe, folder: Path
) -> SynthesisResult:
    """Synthesise the MAC in ``rtlil`` and keep script, log, netlist and statistics in ``folder``.

    Raises ToolError if Yosys or ABC fails.
    """
    start = time.monotonic()
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "design.il").write_text(rtlil)
    (folder / "cells.lib").write_text(technology.liberty_text())
    (folder / "adders.v").write_text(adder_techmap(technology, recipe.adders))
    (folder / "abc.script").write_text("\n".join(recipe.abc) + "\n")
    run_yosys(_script(recipe), folder, f"Synthesis with recipe {recipe.name}")
    total, counts = _read_statistics(folder / "mac.json", technology)
    multiplier, _ = _read_statistics(folder / "multiplier.json", technology)
    flip_flop = technology.flip_flop.name
    register = counts.get(flip_flop, 0) * technology.cells[flip_flop].area
    return SynthesisResult(
        area_um2=round(total, 4),
        multiplier_um2=round(multiplier, 4),
        accumulator_um2=round(total - multiplier - register, 4),
        register_um2=round(register, 4),
        cells=sum(counts.values()),
        cell_counts=counts,
        seconds=round(time.monotonic() - start, 3),
    )


def _script(recipe: Recipe) -> str:
    return (
        _map_one(recipe, TOP, "mac")
        + "design -reset\n"
        + _map_one(recipe, MULTIPLIER, "multiplier")
    )


def _map_one(recipe: Recipe, top: str, name: str) -> str:
    # A multiplication is turned into gates after the adders have their cells, or with them.
    into_gates = ["techmap -map adders.v", "techmap"]
    if recipe.adders is Adders.ALL:
        into_gates = ["maccmap -unmap", "techmap -map adders.v", "techmap"]
    lines = [
        "read_rtlil design.il",
        f"hierarchy -check -top {top}",
        "setattr -unset init w:*",
        "proc -norom",  # or a table becomes a memory
        "flatten",
        "opt -full",
        "wreduce",
        "alumacc",
        "opt",
        *into_gates,
        "opt -full",
        "dfflibmap -liberty cells.lib",
        "abc -liberty cells.lib -script abc.script",
        "opt_clean -purge",
        f"tee -q -o {name}.json stat -json -liberty cells.lib",
        f"write_verilog -noattr {name}.v",
    ]
    return "\n".join(lines) + "\n"


def _read_statistics(path: Path, technology: Technology) -> tuple[float, dict[str, int]]:
    """Area and cell counts; every cell must be one of the technology's."""
    design = json.loads(path.read_text())["design"]
    counts = {str(cell): int(count) for cell, count in design["num_cells_by_type"].items()}
    unknown = sorted(set(counts) - set(technology.cells))
    if unknown:
        raise AssertionError(f"Netlist holds unmapped cells: {', '.join(unknown)}")
    return sum(technology.cells[cell].area * count for cell, count in counts.items()), counts
