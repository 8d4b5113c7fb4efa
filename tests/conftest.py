"""Settings and fixtures for all tests."""

import contextlib
import gc
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

# pytest-xdist runs tests in several processes, usually one for each core. If each of them had
# several PyTorch threads, the threads would compete for the cores.
if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ.setdefault("OMP_NUM_THREADS", "1")

# With its default settings, the garbage collector would take a seventh of the time of all tests,
# because it scans the imported modules again and again.
gc.set_threshold(1_000_000, 50, 1000)

# No time limits for Hypothesis tests: they must not fail because the machine is busy.
settings.register_profile("halfbyte", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("halfbyte")


def pytest_collection_finish() -> None:
    """Exclude the imported modules from garbage collection: they are needed to the end."""
    gc.freeze()


@pytest.fixture(scope="session")
def session_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that all tests of the session share, also across pytest-xdist workers.

    It is for stored results and builds, which several processes may use at the same time.
    """
    base = tmp_path_factory.getbasetemp()
    return (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "shared"


@pytest.fixture(scope="session")
def named_build(session_folder: Path) -> Callable[[str], Path]:
    """``named_build(name)`` returns the session's build folder with that name.

    All these folders share one set of compiled libraries and object files.
    """

    def folder(name: str) -> Path:
        # Each of these subfolders is a link to the shared one.
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
    """A build folder for tests that may use a result which another test already stored."""
    return named_build("build")


@pytest.fixture(scope="session")
def shared_objects(session_folder: Path) -> Iterator[None]:
    """Make all build folders of the session share one compiled copy of Verilator's runtime."""
    from halfbyte.sim import compiled_files

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(compiled_files, "_objects", lambda: session_folder / "compiled/sim/objects")
        yield
