"""A build folder for the session, so that compiled simulations are shared between tests."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture(scope="session", autouse=True)
def sim_build(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """One folder for all pytest-xdist workers: builds are made to be shared by processes."""
    if "PYTEST_XDIST_WORKER" in os.environ:
        folder = tmp_path_factory.getbasetemp().parent / "sim-build"
    else:
        folder = tmp_path_factory.mktemp("sim-build")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HALFBYTE_BUILD", str(folder))
        yield folder
