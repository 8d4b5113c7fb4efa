"""A build folder for the session, so that compiled simulations are shared between tests."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest


@pytest.fixture(scope="module", autouse=True)
def sim_build(named_build: Callable[[str], Path], shared_objects: None) -> Iterator[Path]:
    """The build folder; with module scope, so that tests outside ``sim`` do not see it."""
    folder = named_build("sim")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HALFBYTE_BUILD", str(folder))
        yield folder
