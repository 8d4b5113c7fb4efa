"""The imports of a module, found in its source without running it."""

import importlib
from pathlib import Path

import pytest

from halfbyte.base.imports import imported_modules, imports_of, source_of

NAME = "halfbyte_imports_sample"
FILES = {
    "__init__.py": "",
    "low.py": "import json\n\ndef f():\n    return 1\n",
    "high.py": f"from {NAME}.room import g\n\ndef late():\n    from {NAME} import low\n",
    "typed.py": f"if TYPE_CHECKING:\n    from {NAME}.high import late\n",
    "whole.py": f"import {NAME}.room\n",
    "circle.py": f"from {NAME}.circle import x\nfrom {NAME} import high\n",
    "room/__init__.py": f"from {NAME}.room.inner import f as g\n\nOWN = 1\n",
    "room/inner.py": "def f():\n    return 2\n",
    "room/own.py": f"from {NAME}.room import OWN\n",
}


@pytest.fixture(autouse=True)
def sample(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Write a package of FILES that can be imported."""
    for name, text in FILES.items():
        path = tmp_path / NAME / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    importlib.invalidate_caches()


def seen(found: frozenset[str]) -> set[str]:
    """The names of the modules, without the name of their package."""
    return {name.removeprefix(f"{NAME}.") for name in found}


def test_a_re_exported_name_counts_as_an_import_of_the_module_that_defines_it() -> None:
    assert seen(imports_of(f"{NAME}.high")) == {"low", "room.inner"}
    assert seen(imports_of(f"{NAME}.room")) == {"room.inner"}


def test_a_package_counts_if_it_is_imported_itself_or_defines_the_name() -> None:
    assert seen(imports_of(f"{NAME}.whole")) == {"room"}
    assert seen(imports_of(f"{NAME}.room.own")) == {"room"}


def test_imports_for_type_checkers_count_only_on_request() -> None:
    assert not imports_of(f"{NAME}.typed")
    assert seen(imports_of(f"{NAME}.typed", types=True)) == {"high"}


def test_imports_of_imports_are_found_also_in_a_cycle() -> None:
    assert seen(imported_modules(f"{NAME}.circle")) == {
        "circle",
        "high",
        "low",
        "room.inner",
    }


@pytest.mark.parametrize("module", ["halfbyte_no_such_module", "sys", f"{NAME}.nowhere"])
def test_a_module_without_source_is_refused(module: str) -> None:
    with pytest.raises(ValueError, match=f"Module {module} has no source file"):
        source_of(module)
