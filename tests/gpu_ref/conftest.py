"""One build folder for the session, so that libraries are compiled once."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture(scope="session", autouse=True)
def gpu_ref_build(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """One folder for all pytest-xdist workers: libraries appear in it whole or not at all."""
    if "PYTEST_XDIST_WORKER" in os.environ:
        folder = tmp_path_factory.getbasetemp().parent / "gpu-ref-build"
    else:
        folder = tmp_path_factory.mktemp("gpu-ref-build")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HALFBYTE_BUILD", str(folder))
        yield folder
