"""Technologies (cell libraries), synthesis, proofs, and the search for the smallest MAC.

A name is imported when it is first used, so that only the modules that it needs are loaded.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from halfbyte.area.cells.technology import (
        Technology,
        from_liberty,
        load_technology,
        technology_names,
    )
    from halfbyte.area.proofs.results import ProofError
    from halfbyte.area.search.records import FpgaRecord, SynthesisRecord
    from halfbyte.area.search.smallest import synthesize

__all__ = [
    "FpgaRecord",
    "ProofError",
    "SynthesisRecord",
    "Technology",
    "from_liberty",
    "load_technology",
    "synthesize",
    "technology_names",
]

# The module that each name is imported from.
_HOMES = {
    "FpgaRecord": "search.records",
    "ProofError": "proofs.results",
    "SynthesisRecord": "search.records",
    "Technology": "cells.technology",
    "from_liberty": "cells.technology",
    "load_technology": "cells.technology",
    "synthesize": "search.smallest",
    "technology_names": "cells.technology",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
