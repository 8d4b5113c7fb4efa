"""A MAC for people who use none of this: Verilog, vectors and a bench."""

from pathlib import Path

from halfbyte.base import versions_of, write_atomically
from halfbyte.formats import Format, Overflow
from halfbyte.rtl import Mac, to_verilog
from halfbyte.sim.records import ExportRecord
from halfbyte.sim.vectors import write_bench, write_vectors

__all__ = ["export_mac"]

# Verilog tools accept longer names; file systems and people do not.
MAX_MODULE_NAME = 100


def export_mac(
    weight: Format,
    activation: Format | None = None,
    *,
    architecture: str,
    terms: int = 256,
    acc_width: int | None = None,
    overflow: Overflow = Overflow.WRAP,
    enable: bool = False,
    segment: int | None = None,
    folder: Path,
    seed: int = 0,
) -> ExportRecord:
    """Write ``mac_<formats>_<architecture>.v``, its vectors and its bench into ``folder``.

    Returns a record with the parameters, the three paths and the number of vectors. Raises as
    :class:`halfbyte.rtl.Mac` does.
    """
    activation = activation or weight
    mac = Mac(
        weight=weight,
        activation=activation,
        terms=terms,
        architecture=architecture,
        acc_width=acc_width,
        overflow=overflow,
        enable=enable,
        segment=segment,
    )
    formats = dict.fromkeys((weight.name, activation.name))
    module = "_".join(["mac", *formats, architecture])[:MAX_MODULE_NAME]
    files = {
        "verilog": folder / f"{module}.v",
        "vectors": folder / f"{module}_vectors.hex",
        "bench": folder / f"tb_{module}.v",
    }
    write_atomically(files["verilog"], to_verilog(mac, name=module))
    count = write_vectors(
        weight,
        activation,
        module=module,
        terms=terms,
        acc_width=mac.acc_width,
        overflow=overflow,
        enable=enable,
        path=files["vectors"],
        seed=seed,
    )
    write_bench(
        weight,
        activation,
        module=module,
        acc_width=mac.acc_width,
        enable=enable,
        vectors=files["vectors"].name,
        count=count,
        path=files["bench"],
    )
    return ExportRecord(
        format=weight.name,
        activation=activation.name,
        unit="mac",
        architecture=architecture,
        terms=terms,
        acc_width=mac.acc_width,
        overflow=overflow.value,
        enable=enable,
        segment=segment,
        module=module,
        count=count,
        seed=seed,
        **{kind: str(path) for kind, path in files.items()},
        versions=versions_of("halfbyte", "amaranth", "pyosys"),
    )
