"""Fixtures: a toy technology, and full cell libraries from a folder beside the repository.

A technology is a set of library cells with their areas, delays and energies. Liberty is the usual
text format of cell libraries.
"""

import pickle
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest

from halfbyte.area.cells.library import Library, read_library
from halfbyte.area.cells.technology import Technology, from_card
from halfbyte.base import write_atomically

SHARED = Path(__file__).parents[2].parent / "shared" / "lib"
PATTERNS = {
    "sky130hd": "sky130_fd_sc_hd__*.lib.gz",
    "sg13g2": "sg13g2_*.lib.gz",
    "asap7": "asap7sc7p5t_*.lib.gz",
}


def find_files(technology: str) -> list[Path]:
    """The Liberty files of a technology's full library; skips the test if they are missing."""
    paths = sorted(SHARED.glob(PATTERNS[technology]))
    if not paths:
        pytest.skip(f"needs the full library of {technology} in {SHARED}, which is not there")
    return paths


@pytest.fixture(scope="session")
def toy() -> Technology:
    """A technology with simple numbers for calculations by hand: see ``toy.yaml``."""
    return from_card(Path(__file__).with_name("toy.yaml"))


@pytest.fixture(scope="session")
def library_files() -> Callable[[str], list[Path]]:
    """``library_files(technology)`` returns the Liberty files of its full library."""
    return find_files


@pytest.fixture(scope="session")
def full_library(session_folder: Path) -> Callable[[str], Library]:
    """``full_library(technology)`` reads the full library, or skips the test if it is missing.

    Each library is parsed only once in a session.
    """

    @cache
    def read(technology: str) -> Library:
        parsed = session_folder / f"{technology}.pickle"
        if not parsed.is_file():
            library = read_library(find_files(technology))
            write_atomically(parsed, pickle.dumps(library))
        return pickle.loads(parsed.read_bytes())  # noqa: S301 (written above)

    return read
