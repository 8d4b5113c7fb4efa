"""Finds all parts of ``make gpu-record``: the checks and benchmarks of the kernels.

A package of :mod:`halfbyte.gpu_ref` registers its parts in a module ``record_parts.py`` that holds
a tuple ``PARTS``. No other module has to list them.
"""

from importlib import import_module
from pathlib import Path

from halfbyte.gpu_ref.record.part import Part

__all__ = ["PARTS"]

_PACKAGE = Path(__file__).parent.parent
_REGISTRY = "record_parts.py"


def _registered() -> tuple[Part, ...]:
    """The parts of every ``record_parts.py``, the most important first.

    Among equally important parts, those of outer packages come first.
    """
    found: list[Part] = []
    for path in sorted(_PACKAGE.rglob(_REGISTRY), key=lambda path: (len(path.parts), path)):
        words = path.relative_to(_PACKAGE).with_suffix("").parts
        found += import_module(".".join(("halfbyte.gpu_ref", *words))).PARTS
    return tuple(sorted(found, key=lambda part: part.value))


PARTS = _registered()
"""All parts, in the order in which they run. Their time limits add up to less than ten minutes."""
