"""Gives the tests in this folder one build folder, so that they share compiled simulations."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest


@pytest.fixture(scope="module", autouse=True)
def sim_build(named_build: Callable[[str], Path], shared_objects: None) -> Iterator[Path]:
    """The build folder, set for one test module at a time, so that other tests do not use it."""
    folder = named_build("sim")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HALFBYTE_BUILD", str(folder))
        yield folder
