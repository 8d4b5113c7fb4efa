"""One build folder for all modules, so that libraries are compiled once."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture(scope="module", autouse=True)
def gpu_ref_build(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Shared by pytest-xdist's workers: libraries appear in it whole or not at all.

    Of module scope: tests of other rooms that run later in the process have their own folder.
    """
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "gpu-ref-build"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HALFBYTE_BUILD", str(folder))
        yield folder
