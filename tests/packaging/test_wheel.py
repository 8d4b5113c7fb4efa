"""The wheel is built, installed into a fresh environment, and used outside the repository."""

import ast
import contextlib
import json
import os
import subprocess
import sys
import zipfile
from importlib.metadata import PackageNotFoundError, packages_distributions, requires
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[2]


def run(*command: object, cwd: Path) -> str:
    """The output of a command that must succeed."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(
        [str(part) for part in command], cwd=cwd, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The path of a wheel built from this repository."""
    folder = tmp_path_factory.mktemp("dist")
    run(sys.executable, "-m", "build", "--wheel", "--outdir", folder, ROOT, cwd=folder)
    (path,) = folder.glob("halfbyte-*.whl")
    return path


@pytest.mark.slow
def test_wheel_holds_every_data_file(wheel):
    packed = set(zipfile.ZipFile(wheel).namelist())
    for pattern in (
        "formats/library/*.yaml",
        "area/cells/technologies/*",
        "gpu_ref/cuda/*",
        "pareto/published/*.yaml",
    ):
        expected = {f"halfbyte/{path.relative_to(ROOT)}" for path in ROOT.glob(pattern)}
        assert expected, pattern
        assert expected <= packed
    assert not [name for name in packed if name.startswith(("halfbyte/tests", "tests"))]


@pytest.mark.slow
@pytest.mark.yosys
def test_wheel_synthesizes_from_an_empty_directory(wheel, tmp_path):
    """The fresh environment has the wheel, and uses the dependencies installed for the tests."""
    run(sys.executable, "-m", "venv", "--without-pip", tmp_path / "venv", cwd=tmp_path)
    python = tmp_path / "venv" / "bin" / "python"
    pip = [sys.executable, "-m", "pip", "--python", python, "--disable-pip-version-check"]
    run(*pip, "install", "--quiet", "--no-deps", wheel, cwd=tmp_path)
    (site,) = (tmp_path / "venv" / "lib").glob("*/site-packages")
    # Python searches folders last if a .pth file names them, and reads no .pth files in them. So
    # halfbyte can only be imported from the wheel.
    others = [path for path in sys.path if Path(path).name == "site-packages"]
    (site / "dependencies.pth").write_text("\n".join(others) + "\n")
    empty = tmp_path / "empty"
    empty.mkdir()
    where = run(python, "-c", "import halfbyte; print(halfbyte.__file__)", cwd=empty)
    assert Path(where.strip()).is_relative_to(site)
    halfbyte = tmp_path / "venv" / "bin" / "halfbyte"
    # Annealing is left out for codes as wide as those of e1m2 and int8 together. So its loops need
    # not be compiled, which would take time in a fresh environment.
    options = ("--activation", "int8", "--arch", "twos_complement", "--terms", "1", "--json")
    output = run(halfbyte, "synth", "e1m2", *options, cwd=empty)
    (record,) = json.loads(output)
    assert (record["format"], record["activation"]) == ("e1m2", "int8")
    assert record["acc_width"] == 11
    assert record["proof"]["status"] == "proved"


# Packages that halfbyte imports only if they are there. Otherwise an error names them.
OPTIONAL = {"datasets"}


def needed(distribution: str, known: set[str]) -> set[str]:
    """Names of a distribution and of all that it requires, directly or indirectly.

    Extras count for halfbyte only. ``known`` holds the names found so far; it is extended.
    """
    name = canonicalize_name(distribution)
    if name in known:
        return known
    known.add(name)
    with contextlib.suppress(PackageNotFoundError):  # an extra need not be installed
        for requirement in map(Requirement, requires(name) or []):
            if name == "halfbyte" or not requirement.marker or requirement.marker.evaluate():
                needed(requirement.name, known)
    return known


def imported_names(node: ast.AST) -> list[str]:
    """The top-level packages that an import statement imports."""
    if isinstance(node, ast.Import):
        return [name.name.partition(".")[0] for name in node.names]
    if isinstance(node, ast.ImportFrom) and not node.level:
        return [str(node.module).partition(".")[0]]
    return []


def test_every_imported_package_is_a_declared_dependency():
    """The synthesis from the wheel cannot show this: it uses all packages of this environment."""
    trees = (
        ast.parse(path.read_bytes())
        for room in (ROOT / "halfbyte").iterdir()
        for path in room.rglob("*.py")
    )
    found = {name for tree in trees for node in ast.walk(tree) for name in imported_names(node)}
    foreign = found - set(sys.stdlib_module_names) - {"halfbyte"} - OPTIONAL
    assert {"torch", "numpy", "amaranth"} <= foreign
    declared, providers = needed("halfbyte", set()), packages_distributions()
    undeclared = {
        name
        for name in foreign
        if declared.isdisjoint(canonicalize_name(each) for each in providers.get(name, [name]))
    }
    assert not undeclared
