"""Keys of stored results: an edit of the code that computes a result changes its key.

A result is computed again if its key has changed. An edit of any other code leaves the key as it
was, so that the stored result is still used.
"""

import shutil
import sys
from collections.abc import Callable, Iterator
from importlib.util import spec_from_file_location
from itertools import groupby
from operator import itemgetter
from pathlib import Path

import pytest

import halfbyte
from halfbyte.area import load_technology
from halfbyte.area.search.measure_jobs import MeasureJob
from halfbyte.area.search.records import MappedRecord
from halfbyte.area.search.synthesis_jobs import SynthesisJob
from halfbyte.area.synthesis.recipes import QUICK
from halfbyte.area.timing.operands import load_operands
from halfbyte.base import code_fingerprint, imports
from halfbyte.formats import load
from halfbyte.rtl import MacSpec

Edit = Callable[[str], None]


def forget() -> None:
    """Clear the caches, so that fingerprints are computed from the files as they are now."""
    code_fingerprint.cache_clear()
    imports._passed_on.cache_clear()


def _python_files(folder: Path) -> Iterator[Path]:
    """Python files of all subpackages; each subpackage may be a link to its folder."""
    return (path for room in folder.iterdir() for path in room.rglob("*.py"))


@pytest.fixture
def edit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Edit]:
    """``edit("rtl/mac.py")`` changes a file in a copy of the package.

    During the test, keys are computed from this copy.
    """
    copy = tmp_path / "halfbyte"
    source = Path(halfbyte.__file__).parent
    for path in [source / "__init__.py", *_python_files(source)]:
        target = copy / path.relative_to(source)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, target)
    spec = spec_from_file_location(
        "halfbyte", copy / "__init__.py", submodule_search_locations=[str(copy)]
    )
    monkeypatch.setattr(sys.modules["halfbyte"], "__spec__", spec)

    def change(name: str) -> None:
        path = copy / name
        path.write_text(f"{path.read_text()}\nEDITED = True\n")
        forget()

    forget()
    yield change
    monkeypatch.undo()
    forget()


def synthesis_job() -> SynthesisJob:
    """The synthesis of an E2M1 MAC."""
    fmt = load("e2m1")
    return SynthesisJob(MacSpec(fmt, fmt, "exponent_shift"), QUICK, load_technology("sky130hd"))


def synthesis_key() -> str:
    return synthesis_job().key


def energy_key() -> str:
    """The key of the energy of the MAC, measured on a made-up netlist."""
    netlist = MappedRecord(
        area_um2=1.0, register_um2=1.0, cells=1, flip_flops=1, seconds=1.0, json_sha256="0"
    )
    return MeasureJob(synthesis_job(), netlist, load_operands("minilm")).key


def evaluation_code() -> str:
    """The fingerprint of the code that evaluates models; part of the key of an evaluation."""
    return code_fingerprint("halfbyte.accuracy.evaluation")


def streaming_code() -> str:
    """The fingerprint of the code that quantizes checkpoints."""
    return code_fingerprint("halfbyte.checkpoints.streaming")


# A key and a file of code: an edit of the file must change the key.
DEPENDS = [
    (synthesis_key, "formats/model.py"),
    (synthesis_key, "rtl/mac.py"),
    (synthesis_key, "rtl/exponent_shift.py"),
    (synthesis_key, "area/cells/technology.py"),
    (synthesis_key, "area/synthesis/yosys.py"),
    (synthesis_key, "area/synthesis/annealing/kernel.py"),
    (synthesis_key, "area/synthesis/annealing/candidates.py"),
    (synthesis_key, "base/yosys.py"),
    (energy_key, "area/timing/delay.py"),
    (energy_key, "area/timing/energy.py"),
    (energy_key, "area/timing/event_kernel.py"),
    (evaluation_code, "golden/quantizer.py"),
    (evaluation_code, "accuracy/recipes/gptq.py"),
    (evaluation_code, "accuracy/models/causal.py"),
    (streaming_code, "golden/codec.py"),
    (streaming_code, "checkpoints/tensor_file.py"),
]
# A key and a file of code: an edit of the file must not change the key.
INDEPENDENT = [
    (synthesis_key, "pareto/ranking.py"),
    (synthesis_key, "rtl/dfloat11/lane.py"),
    (synthesis_key, "rtl/__init__.py"),
    (synthesis_key, "area/exploration/run.py"),
    (synthesis_key, "area/proofs/mac.py"),
    (synthesis_key, "area/timing/energy.py"),
    (synthesis_key, "cli/synth.py"),
    (synthesis_key, "golden/codec.py"),
    (energy_key, "area/synthesis/yosys.py"),
    (evaluation_code, "accuracy/chart.py"),
    (evaluation_code, "golden/dfloat11/codec.py"),
    (evaluation_code, "rtl/mac.py"),
    (streaming_code, "accuracy/evaluation.py"),
    (streaming_code, "checkpoints/dfloat11/container.py"),
]


def changed_by(edit: Edit, pairs: list[tuple[Callable[[], str], str]]) -> set[tuple[str, str]]:
    """The pairs of a key and a file, by name, in which an edit of the file changes the key."""
    changed = set()
    for key, group in groupby(pairs, key=itemgetter(0)):
        before = key()
        for _, name in group:
            edit(name)
            after = key()
            if after != before:
                changed.add((key.__name__, name))
            before = after
    return changed


def test_an_edit_of_what_a_result_depends_on_changes_its_key(edit: Edit) -> None:
    assert changed_by(edit, DEPENDS) == {(key.__name__, name) for key, name in DEPENDS}


def test_an_edit_of_any_other_file_does_not_change_the_key(edit: Edit) -> None:
    assert changed_by(edit, INDEPENDENT) == set()
