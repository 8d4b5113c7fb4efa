"""Runs one synthesis, from RTLIL to a netlist of library cells, and reads the netlist's area.

A *recipe* gives a script for ABC and a kind of adder. It may add simulated annealing, which
replaces gates at random. The *addend* is everything in a MAC before the accumulator's adder: the
multiplier, and the gates that invert the multiplier's output if it must be negated.

Without a clock to meet, ABC or annealing minimizes the addend alone, and the other logic of the MAC
is mapped around it. With a clock, the whole unit is flattened and mapped as one piece. ABC then
inserts buffers and chooses among cells of all strengths. A carry-save accumulator ends in an adder
that does not have to meet the clock. This adder is mapped separately.
"""

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from halfbyte.area.cells.technology import Technology
from halfbyte.area.netlists.modules import ADDEND, MAC, MULTIPLIER, RESOLVE
from halfbyte.area.netlists.verilog import structural_verilog
from halfbyte.area.synthesis.adders import adder_options, adder_techmap
from halfbyte.area.synthesis.annealed import anneal_module, starting_gates
from halfbyte.area.synthesis.annealing import CellNetlist, Network
from halfbyte.area.synthesis.recipes import QUICK, Recipe
from halfbyte.base import run_yosys

__all__ = [
    "SynthesisResult",
    "addend_gates",
    "annealed_addend",
    "constraints",
    "read_result",
    "synthesize_rtlil",
    "write_netlist",
]

# The file with the netlist of the annealed module.
ANNEALED = "annealed.v"
# Commands that write the netlist and its statistics.
_WRITE = (
    "opt_clean -purge",
    "tee -q -o statistics.json stat -json",
    "write_json netlist.json",
)


@dataclass(frozen=True)
class SynthesisResult:
    """The results of a synthesis: area and number of all cells, and of the flip-flops alone.

    ``register_um2`` is the area of the flip-flops. ``seconds`` is the time of the synthesis.
    """

    area_um2: float
    register_um2: float
    cells: int
    flip_flops: int
    seconds: float


def synthesize_rtlil(
    rtlil: str,
    technology: Technology,
    recipe: Recipe,
    folder: Path,
    top: str = MAC,
    clock_ps: float | None = None,
    annealed: CellNetlist | None = None,
) -> SynthesisResult:
    """Synthesize module ``top`` of ``rtlil``; all files stay in ``folder``.

    Among the files are the script, the log, statistics, ``netlist.v`` and ``netlist.json``. If the
    unit is not a MAC or a multiplier, and the recipe has neither a clock nor annealing,
    ``registers.json`` holds the unit before its registers are mapped. A recipe with a clock needs
    ``clock_ps``, the clock period. For a recipe that anneals, ``annealed`` may give the finished
    netlist of the annealed module: the addend of a MAC, or ``top`` for other units.

    Raises ToolError if Yosys or ABC fails, and ValueError if ``clock_ps`` is missing or the module
    to anneal has too many input bits (:func:`.network.read_network`).
    """
    start = time.monotonic()
    folder.mkdir(exist_ok=True)
    (folder / "design.il").write_text(rtlil)
    (folder / "cells.lib").write_text(technology.liberty_text())
    (folder / "adders.v").write_text(adder_techmap(technology, recipe.adder))
    (folder / "search.abc").write_text(recipe.script(clock_ps))
    (folder / "rest.abc").write_text(QUICK.script(None))
    if recipe.clocked:
        (folder / "chain.v").write_text(adder_techmap(technology))
        (folder / "strengths.lib").write_text(technology.liberty_text(clocked=True))
        (folder / "clock.constr").write_text(constraints(technology))
        script = _clocked_script(top, technology, recipe, [RESOLVE] if RESOLVE in rtlil else [])
    else:
        if recipe.moves:
            module = _searched(top)
            annealed = annealed or anneal_module(
                rtlil, module, _read(top), technology, recipe, folder
            )
            (folder / ANNEALED).write_text(annealed.verilog(f"\\{module} "))
        script = _script(top, technology, annealed=bool(recipe.moves))
    run_yosys(script, folder, f"Synthesis with recipe {recipe.name}")
    return read_result(folder, technology, start)


def addend_gates(rtlil: str, technology: Technology, recipe: Recipe, folder: Path) -> Network:
    """The gates of a MAC's addend with which a recipe's annealing starts; ``rtlil`` is the MAC.

    Yosys works in ``folder``. Raises ToolError if Yosys or ABC fails.
    """
    return starting_gates(rtlil, ADDEND, _read(MAC), technology, recipe, folder)


def annealed_addend(
    rtlil: str, technology: Technology, recipe: Recipe, folder: Path
) -> CellNetlist:
    """The addend of a MAC in cells, annealed as a recipe says.

    Parameters and errors are those of :func:`addend_gates`.
    """
    return anneal_module(rtlil, ADDEND, _read(MAC), technology, recipe, folder)


def read_result(folder: Path, technology: Technology, start: float) -> SynthesisResult:
    """The result of a synthesis that ended with :func:`write_netlist`; also writes ``netlist.v``.

    ``start`` is when the synthesis began (``time.monotonic``).
    """
    text = (folder / "netlist.json").read_text()
    (folder / "netlist.v").write_text(structural_verilog(text))
    counts = _cell_counts(folder / "statistics.json", technology)
    areas = {cell: technology.cells[cell].area * count for cell, count in counts.items()}
    registers = [cell for cell in counts if technology.cells[cell].flip_flop]
    return SynthesisResult(
        area_um2=round(sum(areas.values()), 4),
        register_um2=round(sum(areas[cell] for cell in registers), 4),
        cells=sum(counts.values()),
        flip_flops=sum(counts[cell] for cell in registers),
        seconds=round(time.monotonic() - start, 3),
    )


def _searched(top: str) -> str:
    """The module that ABC or annealing minimizes: the addend of a MAC, or else ``top``."""
    # A recipe takes longer for a module with more inputs. The addend has few: the two codes.
    return ADDEND if top == MAC else top


def write_netlist(technology: Technology) -> list[str]:
    """Yosys commands that write the netlist and its statistics for :func:`read_result`.

    The technology's tie cells drive constant pins, with one cell for each constant.
    """
    ties = ""
    for option, cell in (("hi", technology.tie(1)), ("lo", technology.tie(0))):
        ties += f" -{option}cell {cell.cell} {cell.pin}" if cell else ""
    tied = ["opt_clean -purge", f"hilomap -singleton{ties}"] if ties else []
    return ["setundef -zero", *tied, *_WRITE]


def _script(top: str, technology: Technology, annealed: bool) -> str:
    """The Yosys script without a clock: the minimized module first, then the logic around it.

    In this order, constant outputs of the minimized module simplify the logic around it.
    """
    searched = _searched(top)
    lines = [
        *_read(top),
        f"flatten {searched}",
        *(_annealed(searched) if annealed else _mapped(searched, top)),
        *([f"hierarchy -top {top}"] if annealed or searched != top else []),
        "flatten",  # also deletes modules that are now part of others
        *([] if searched == top else _around(top)),
        *write_netlist(technology),
    ]
    return "\n".join(lines) + "\n"


def _annealed(module: str) -> list[str]:
    """Commands that replace a module by its annealed netlist."""
    return [f"delete {module}", f"read_verilog {ANNEALED}"]


def _mapped(module: str, top: str) -> list[str]:
    """Commands that map ``module``, which is a part of ``top`` or ``top`` itself, to cells."""
    part = "" if module == top else f" {module}"
    # Proofs need to know which signal each register holds. `dfflibmap` loses this, so the design
    # is written just before it. `simplemap` first turns shared multiplexers into gates. Writing
    # sorts the design, which changes areas a little. So the designs of MACs and multipliers are not
    # written: their proofs need only the ports.
    registers = ["simplemap", "write_json registers.json", "dfflibmap -liberty cells.lib"]
    return [
        f"alumacc{part}",
        f"opt{part}",
        f"techmap{part}",
        f"opt -full{part}",
        *([] if top in (MAC, MULTIPLIER) else registers),
        f"abc -liberty cells.lib -script search.abc {module}",
    ]


def _around(top: str) -> list[str]:
    """Commands that map the logic around a MAC's addend: adder cells, then a quick ABC script."""
    return [
        "alumacc",
        "opt",
        "techmap -map adders.v",
        "techmap",
        "opt -full",
        "dfflibmap -liberty cells.lib",
        f"abc -liberty cells.lib -script rest.abc {top}",
    ]


def _clocked_script(top: str, technology: Technology, recipe: Recipe, apart: Sequence[str]) -> str:
    """The Yosys script with a clock. Modules in ``apart`` are mapped separately, for area."""
    lines = [
        *_read(top),
        *(f"setattr -mod -set keep_hierarchy 1 {module}" for module in apart),
        "flatten",
        "alumacc",
        "opt",
        *(f"techmap -map chain.v {module}" for module in apart),
        f"techmap {adder_options(recipe.adder)}",
        "techmap",
        "opt -full",
        "dfflibmap -liberty cells.lib",
        f"abc -liberty strengths.lib -constr clock.constr -script search.abc {top}",
        *(f"abc -liberty cells.lib -script rest.abc {module}" for module in apart),
        *(f"setattr -mod -unset keep_hierarchy {module}" for module in apart),
        *(["flatten"] if apart else []),
        *write_netlist(technology),
    ]
    return "\n".join(lines) + "\n"


def _read(top: str) -> list[str]:
    """Commands that load the design and turn its processes into word-level logic."""
    return [
        "read_rtlil design.il",
        f"hierarchy -check -top {top}",
        "setattr -unset init w:*",
        "proc -norom",  # otherwise a table would become a memory
        "opt -full",
        "wreduce",
    ]


def constraints(technology: Technology) -> str:
    """ABC's constraints: a buffer, or else an inverter, drives inputs; outputs drive flip-flops."""
    state = technology.flip_flop.flip_flop
    load = technology.flip_flop.inputs[state.data] if state else 0.0
    driver = technology.buffer or technology.inverter
    return f"set_driving_cell {driver.name}\nset_load {load} [all_outputs]\n"


def _cell_counts(path: Path, technology: Technology) -> dict[str, int]:
    """The number of each kind of cell in the netlist; AssertionError for an unknown cell."""
    design = json.loads(path.read_text())["design"]
    counts = {str(cell): int(count) for cell, count in design["num_cells_by_type"].items()}
    unknown = sorted(set(counts) - set(technology.cells))
    if unknown:
        raise AssertionError(f"The netlist has unmapped cells: {', '.join(unknown)}")
    return counts
