"""Exports a MAC for use without this package: Verilog, test vectors and a bench."""

from pathlib import Path

from halfbyte.base import versions_of, write_atomically
from halfbyte.rtl import MacSpec, to_verilog
from halfbyte.sim.records import ExportRecord
from halfbyte.sim.vectors import write_bench, write_vectors

__all__ = ["export_mac"]


def export_mac(spec: MacSpec, folder: Path, *, seed: int = 0) -> ExportRecord:
    """Write ``NAME.v``, its test vectors and its bench to ``folder``; NAME is ``spec.name``.

    Returns a record with the parameters, the three paths and the number of vectors. Raises
    ArchitectureError if the architecture is ``auto``.
    """
    verilog, vectors, bench = (
        folder / name
        for name in (f"{spec.name}.v", f"{spec.name}_vectors.hex", f"tb_{spec.name}.v")
    )
    write_atomically(verilog, to_verilog(spec.component(), name=spec.name))
    count = write_vectors(spec, vectors, seed=seed)
    write_bench(spec, bench, vectors=vectors.name, count=count)
    return ExportRecord(
        **spec.fields,
        module=spec.name,
        count=count,
        seed=seed,
        verilog=str(verilog),
        vectors=str(vectors),
        bench=str(bench),
        versions=versions_of("halfbyte", "amaranth", "pyosys"),
    )
