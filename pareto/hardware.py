"""Areas and names of the hardware in which formats are compared.

This hardware is a MAC, a dot-product unit, or an array of dot-product units. A unit has one *lane*
for each product that it computes in a cycle.
"""

from collections.abc import Iterable

from halfbyte.area import SynthesisRecord
from halfbyte.area.search.array_records import ArrayRecord
from halfbyte.area.search.dot_records import DotRecord
from halfbyte.rtl.array import Dataflow

__all__ = [
    "UNIT_KEYS",
    "HardwareRecord",
    "area_parts",
    "area_per_mac",
    "file_tag",
    "other_operands",
    "scale_of",
    "unit_title",
]

# Fields that identify dot-product units and arrays, in addition to the fields that MACs have too.
UNIT_KEYS = ("lanes", "accumulator", "scale", "block", "rows", "columns", "dataflow", "depth")

HardwareRecord = SynthesisRecord | DotRecord
"""A synthesis record. The record of an array is a ``DotRecord`` with more fields."""


def area_per_mac(record: HardwareRecord) -> float:
    """Area per product of a cycle, in um^2. It can be compared between MACs, units and arrays."""
    return record.um2_per_lane if isinstance(record, DotRecord) else record.area_um2


def area_parts(record: HardwareRecord) -> dict[str, float | None]:
    """Area by part, in um^2 per product of a cycle.

    In an array, ``skew`` stands for the registers that delay rows and columns at its edges, and
    ``return`` for those that bring the sums back to the bottom.
    """
    if isinstance(record, ArrayRecord):
        unit = record.unit_um2 / record.lanes
        macs = record.rows * record.columns * record.lanes
        skew = record.skew_um2 / macs
        back = record.return_um2 / macs
        registers = record.um2_per_mac - unit - skew - back
        parts = {"units": unit, "registers": registers, "skew": skew, "return": back}
        return {name: area for name, area in parts.items() if area or name != "return"}
    if isinstance(record, DotRecord):
        registers = record.register_um2 / record.lanes
        rest = record.um2_per_lane - record.lane_um2 - registers
        return {"lanes": record.lane_um2, "tree and accumulation": rest, "registers": registers}
    return {
        "multiplier": record.multiplier_um2,
        "accumulator": record.accumulator_um2,
        "register": record.register_um2,
    }


def scale_of(record: HardwareRecord) -> str | None:
    """The type of the scales that the hardware applies; None if it applies none."""
    return record.scale if isinstance(record, DotRecord) else None


def _keeps_weights(record: HardwareRecord) -> bool:
    """Whether the hardware is an array in which weights stay (weight-stationary)."""
    return isinstance(record, ArrayRecord) and record.dataflow == Dataflow.WEIGHT.value


def unit_title(record: HardwareRecord) -> str:
    """The hardware in words, without formats, such as ``unit of 32 lanes, e8m0 scales``."""
    if not isinstance(record, DotRecord):
        return "MAC"
    lanes = f"{record.lanes} lane{'s' * (record.lanes > 1)}"
    title = f"unit of {lanes}"
    if isinstance(record, ArrayRecord):
        title = f"array of {record.rows} x {record.columns} units of {lanes}"
    block = f" in blocks of {record.block}" if record.block != record.lanes else ""
    title += f", {record.scale} scales{block}" if record.scale else ""
    return f"{title}, weight-stationary" if _keeps_weights(record) else title


def file_tag(record: HardwareRecord) -> str:
    """The hardware as part of a file name, such as ``dot32_e8m0``; empty for a MAC."""
    if not isinstance(record, DotRecord):
        return ""
    words = [f"dot{record.lanes}"]
    if isinstance(record, ArrayRecord):
        words = [f"array{record.rows}x{record.columns}", f"lanes{record.lanes}"]
    if record.scale:
        words.append(record.scale)
        words += [f"block{record.block}"] if record.block != record.lanes else []
    if isinstance(record, ArrayRecord) and _keeps_weights(record):
        words.append(f"weight{record.depth}")
    return "_".join(words)


def other_operands(records: Iterable[object]) -> list[str]:
    """Names of activation formats that differ from the weight's; BF16 records are left out."""
    return sorted(
        {
            each.activation
            for each in records
            if isinstance(each, SynthesisRecord | DotRecord) and each.activation != each.format
        }
    )
