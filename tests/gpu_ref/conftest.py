"""Sets one build folder for all modules here, so that libraries are compiled once."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest


@pytest.fixture(scope="module", autouse=True)
def gpu_ref_build(named_build: Callable[[str], Path], shared_objects: None) -> Iterator[Path]:
    """Set HALFBYTE_BUILD for one module at a time, so that other tests do not use the folder."""
    folder = named_build("gpu_ref")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HALFBYTE_BUILD", str(folder))
        yield folder
