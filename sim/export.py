"""A MAC for people who use none of this: Verilog, vectors and a bench."""

from pathlib import Path
from typing import Any

from halfbyte.base import versions_of, write_atomically
from halfbyte.rtl import MacSpec, to_verilog
from halfbyte.sim.vectors import write_bench, write_vectors

__all__ = ["export_mac"]


def export_mac(spec: MacSpec, folder: Path, *, seed: int = 0) -> dict[str, Any]:
    """Write ``NAME.v``, its vectors and its bench into ``folder``; NAME is that of ``spec``.

    Returns a record with the parameters, the three paths and the number of vectors. Raises
    ArchitectureError if the architecture is ``auto``.
    """
    files = {
        "verilog": folder / f"{spec.name}.v",
        "vectors": folder / f"{spec.name}_vectors.hex",
        "bench": folder / f"tb_{spec.name}.v",
    }
    write_atomically(files["verilog"], to_verilog(spec.component(), name=spec.name))
    count = write_vectors(spec, files["vectors"], seed=seed)
    write_bench(spec, files["bench"], vectors=files["vectors"].name, count=count)
    return {
        **spec.fields,
        "module": spec.name,
        "count": count,
        "seed": seed,
        **{kind: str(path) for kind, path in files.items()},
        "versions": versions_of("halfbyte", "amaranth", "pyosys"),
    }
