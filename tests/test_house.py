"""A plan says which rooms each room may import. The imports follow it and form no cycle.

A room is a subpackage, such as ``halfbyte.rtl``, with a folder at the repository's root.
"""

from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

import halfbyte
from halfbyte.base.imports import imports_of

ROOT = Path(halfbyte.__file__).parent.parent
# The rooms that each room may import. It may also import the rooms that those may import.
ROOMS = {
    "base": [],
    "formats": ["base"],
    "golden": ["formats"],
    "rtl": ["formats"],
    "checkpoints": ["golden"],
    "accuracy": ["checkpoints"],
    "sim": ["golden", "rtl"],
    "area": ["rtl"],
    "gpu_ref": ["golden"],
    "pareto": ["area", "accuracy"],
    "cli": ["pareto", "sim", "gpu_ref"],
}
# The same for the rooms within halfbyte.area.
AREA = {
    "cells": [],
    "netlists": ["cells"],
    "timing": ["netlists"],
    "proofs": ["netlists"],
    "synthesis": ["netlists"],
    "search": ["timing", "proofs", "synthesis"],
    "exploration": ["search"],
}


def modules() -> list[str]:
    """Names of all modules in rooms. ``halfbyte`` itself is left out: it may import every room."""
    paths = (path.relative_to(ROOT) for room in ROOMS for path in (ROOT / room).rglob("*.py"))
    names = (".".join(path.with_suffix("").parts) for path in paths)
    return [f"halfbyte.{name.removesuffix('.__init__')}" for name in names]


@cache
def all_imports(types: bool = False) -> dict[str, frozenset[str]]:
    """The modules that each module imports; with ``types``, also those for type checkers only."""
    return {module: imports_of(module, types=types) for module in modules()}


def allowed(plan: Mapping[str, Sequence[str]], room: str) -> set[str]:
    """The rooms that a room may import according to the plan: itself and all rooms below it."""
    return {room}.union(*(allowed(plan, below) for below in plan[room]))


def upward(
    plan: Mapping[str, Sequence[str]], imports: Mapping[str, Iterable[str]], within: str
) -> list[str]:
    """Imports between rooms of the package ``within`` that the plan forbids, one text for each."""

    def room_of(module: str) -> str | None:
        room = module.removeprefix(f"{within}.").split(".")[0]
        return room if module.startswith(f"{within}.") and room in plan else None

    return [
        f"{module} imports {target}"
        for module, targets in imports.items()
        for target in targets
        if (room := room_of(module)) and (below := room_of(target))
        if below not in allowed(plan, room)
    ]


def import_cycle(imports: Mapping[str, Iterable[str]]) -> list[str]:
    """The modules of one import cycle; an empty list if there is no cycle."""
    try:
        TopologicalSorter(imports).prepare()
    except CycleError as error:
        return list(error.args[1])
    return []


@pytest.mark.parametrize(("within", "plan"), [("halfbyte", ROOMS), ("halfbyte.area", AREA)])
def test_imports_go_down_only(within, plan):
    imports = all_imports(types=True)
    assert sum(map(len, imports.values())) > 500
    assert upward(plan, imports, within) == []


def test_imports_form_no_cycle():
    assert import_cycle(all_imports()) == []


def test_an_upward_import_and_a_cycle_would_be_found():
    imports = {"halfbyte.rtl.mac": ["halfbyte.area.search.smallest", "halfbyte.formats.model"]}
    seen = ["halfbyte.rtl.mac imports halfbyte.area.search.smallest"]
    assert upward(ROOMS, imports, "halfbyte") == seen
    imports = {"halfbyte.area.proofs.mac": ["halfbyte.area.synthesis.yosys", "halfbyte.rtl"]}
    seen = ["halfbyte.area.proofs.mac imports halfbyte.area.synthesis.yosys"]
    assert upward(AREA, imports, "halfbyte.area") == seen
    assert import_cycle({"a": ["b"], "b": ["c"], "c": []}) == []
    assert set(import_cycle({"a": ["b"], "b": ["c"], "c": ["a"]})) == {"a", "b", "c"}


def test_every_folder_is_a_room_of_the_plan():
    rooms = {path.name for path in Path(halfbyte.__file__).parent.iterdir() if path.is_dir()}
    assert rooms - {"__pycache__"} == set(ROOMS)
    area = {path.parent.name for path in (ROOT / "area").glob("*/__init__.py")}
    assert area == set(AREA)
