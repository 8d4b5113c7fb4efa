"""Settings for all tests."""

import contextlib
import gc
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

# pytest-xdist fills the cores with processes. Threads of PyTorch in each would wait for each other.
if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ.setdefault("OMP_NUM_THREADS", "1")

# The collector of reference cycles would spend a seventh of the time on what was imported.
gc.set_threshold(100_000, 20, 20)

# Timings are benchmarks, never assertions: a busy machine must not fail a property.
settings.register_profile("halfbyte", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("halfbyte")


def pytest_collection_finish() -> None:
    """Imported modules stay: the collector need not look at them again."""
    gc.freeze()


@pytest.fixture(scope="session")
def session_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that all tests share, those of other pytest-xdist workers included.

    For stores and builds, which are made to be shared by processes.
    """
    base = tmp_path_factory.getbasetemp()
    return (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "shared"


@pytest.fixture(scope="session")
def named_build(session_folder: Path) -> Callable[[str], Path]:
    """``named_build(name)``: a build folder of the session.

    All of them have their compiled libraries and objects in common.
    """

    def folder(name: str) -> Path:
        for part in ("sim/objects", "gpu_ref", "codec"):
            place, link = session_folder / "compiled" / part, session_folder / name / part
            place.mkdir(parents=True, exist_ok=True)
            link.parent.mkdir(parents=True, exist_ok=True)
            with contextlib.suppress(FileExistsError):
                link.symlink_to(place)
        return session_folder / name

    return folder


@pytest.fixture(scope="session")
def shared_build(named_build: Callable[[str], Path]) -> Path:
    """A build folder for tests that want a result and do not care who made it first."""
    return named_build("build")


@pytest.fixture(scope="session")
def shared_objects(session_folder: Path) -> Iterator[None]:
    """Verilator's runtime is compiled once for all build folders of the session."""
    from halfbyte.sim import build

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(build, "_objects", lambda: session_folder / "compiled/sim/objects")
        yield
