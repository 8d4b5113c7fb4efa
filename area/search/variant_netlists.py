"""Makes netlists of a MAC, one for each kind of accumulator that simulations test.

A variant is the MAC with one of these accumulators.
"""

from dataclasses import dataclass
from pathlib import Path

from halfbyte.area.cells.cell_models import cell_models
from halfbyte.area.cells.technology import Technology
from halfbyte.area.search.smallest import map_designs
from halfbyte.rtl import MacSpec, variants
from halfbyte.rtl.variants import LOSSLESS

__all__ = ["VariantNetlists", "map_variants"]


@dataclass(frozen=True)
class VariantNetlists:
    """Verilog texts: models of the cells that are used, and a module ``mac`` for each variant."""

    cells: str
    macs: tuple[str, ...]


def map_variants(
    design: MacSpec,
    recipe: str,
    technology: Technology,
    *,
    lossless: Path | None = None,
    jobs: int | None = None,
) -> VariantNetlists:
    """Netlists of the MACs of :func:`halfbyte.rtl.variants`, in the same order.

    The recipe must be one without a clock, and the architecture of ``design`` must not be ``auto``.
    The file ``lossless``, if given, is an existing netlist of the lossless MAC, which is then not
    synthesized again.
    """
    macs = variants(design)
    files = {LOSSLESS: lossless} if lossless else {}
    others = [name for name in macs if name not in files]
    paths = map_designs([macs[name] for name in others], recipe, technology, jobs=jobs)
    files |= dict(zip(others, paths, strict=True))
    texts = tuple(files[name].read_text() for name in macs)
    words = {word for text in texts for word in text.split()}
    return VariantNetlists(cell_models(technology, technology.cells.keys() & words), texts)
