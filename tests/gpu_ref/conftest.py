"""One build folder for all modules, so that libraries are compiled once."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest


@pytest.fixture(scope="module", autouse=True)
def gpu_ref_build(named_build: Callable[[str], Path], shared_objects: None) -> Iterator[Path]:
    """It has module scope, so that tests of other rooms later in the process have their own."""
    folder = named_build("gpu_ref")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HALFBYTE_BUILD", str(folder))
        yield folder
