"""Measures the energy of the parts of a systolic array that do not multiply, such as registers."""

from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from halfbyte.area.cells.technology import Technology
from halfbyte.area.netlists.netlist import read_netlist
from halfbyte.area.timing.activity import simulate
from halfbyte.area.timing.array_streams import element_streams
from halfbyte.area.timing.delay import analyse_timing
from halfbyte.area.timing.energy import Energy, analyse_energy
from halfbyte.area.timing.operands import Operands
from halfbyte.area.timing.weight_streams import weight_streams
from halfbyte.base import UserError
from halfbyte.rtl.array import ArraySpec, SystolicSpec, WeightArraySpec
from halfbyte.rtl.array.names import SUM_RETURN

__all__ = ["measure_part", "part_streams"]


def part_streams(spec: SystolicSpec, part: str, operands: Operands) -> dict[str, NDArray[Any]]:
    """The input words of a part of an array, by port: (cycles, 64) each.

    ``part`` is a name in ``spec.parts``. There may be words for ports that the part does not have.
    """
    if isinstance(spec, WeightArraySpec):
        streams = weight_streams(spec, operands)
        streams["control_in"] = streams["return_in" if part == SUM_RETURN else "load_in"]
        return streams
    assert isinstance(spec, ArraySpec)  # noqa: S101
    return element_streams(spec, operands)


def measure_part(
    path: Path, part: str, technology: Technology, spec: SystolicSpec, operands: Operands
) -> tuple[Energy | None, str | None]:
    """The energies of a part in fJ per cycle, and what the technology lacks for them.

    One of both is None. Such data are the cells' tables and the supply voltage. ``part`` is a name
    in ``spec.parts``. ``path`` is the part's netlist in the format of Yosys' ``write_json``. Its
    module also has the name ``part``.
    """
    netlist = read_netlist(path, technology.cells, part)
    streams = part_streams(spec, part, operands)
    try:
        timing = analyse_timing(netlist, technology)
        activity = simulate(netlist, {name: streams[name] for name in netlist.inputs})
        return analyse_energy(netlist, technology, timing, activity), None
    except UserError as error:
        return None, str(error)
