"""Make the horizontal axis of the plots, which shows what a format costs.

The area per lane is the area of the hardware, divided by the number of products that it computes in
a cycle. DFloat11 compresses BF16 weights without loss. BF16 with DFloat11 is an extra point, with
which the 4-bit formats are compared.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from halfbyte.area import Technology
from halfbyte.area.search.array_records import ArrayRecord
from halfbyte.base import UserError
from halfbyte.formats import Format
from halfbyte.pareto.hardware import HardwareRecord, area_per_mac, unit_title
from halfbyte.pareto.records import LosslessRecord
from halfbyte.pareto.system import ArrayModel, ChipModel, Storage

__all__ = ["AXES", "LANE_AREA", "MAC_AREA", "Axis", "check_axis", "default_axis", "make_axis"]

Records = Sequence[HardwareRecord]
# The chip whose area shares are published has MACs of this format.
_BASELINE = "int4"


@dataclass(frozen=True)
class Axis:
    """A kind of cost, as the horizontal axis of a plot; less is better.

    Parameters
    ----------
    name : str
        Name for ``--axis``.
    column : str
        Name of the column in data files.
    label : str
        Label with the unit.
    title : str
        The first words of the title of a plot with this axis.
    note : str
        What the cost is based on, for the caption; may be empty.
    cost : function
        Gives the cost from a synthesis record; None if the record lacks it.
    lossless : function
        Gives the cost from the record of BF16 with DFloat11; None if the record lacks it.
    """

    name: str
    column: str
    label: str
    title: str
    note: str
    cost: Callable[[HardwareRecord], float | None]
    lossless: Callable[[LosslessRecord], float | None]

    @property
    def unit(self) -> str:
        """The unit in the label; empty if it has none."""
        return self.label.partition(", ")[2]


def _area(record: HardwareRecord | LosslessRecord) -> float:
    return record.area_um2


def _no_point(_: LosslessRecord) -> None:
    """Return None: BF16 with DFloat11 has no cost on this axis."""


MAC_AREA = Axis("mac_area", "area_um2", "MAC area, µm²", "Area of this project", "", _area, _area)
LANE_AREA = Axis(
    "lane_area", "um2_per_lane", "Area per lane, µm²", "Area per lane", "", area_per_mac, _area
)
UNIT_AREA = Axis("unit_area", "area_um2", "Area of a unit, µm²", "Unit area", "", _area, _no_point)
_OF_ALL = ("chip_overhead", "energy", "delay", "bits")
# The axes of each kind of unit, with the default first.
AXES = {
    "mac": ("mac_area", *_OF_ALL),
    "dot": ("lane_area", "unit_area", *_OF_ALL),
    "array": ("array_area", *_OF_ALL),
}
_PLAIN = {axis.name: axis for axis in (MAC_AREA, LANE_AREA, UNIT_AREA)}


def default_axis(unit: str) -> str:
    """The name of the default axis of a kind of unit."""
    return AXES[unit][0]


def check_axis(name: str, unit: str = "mac") -> None:
    """Raise UserError unless ``name`` is one of the axes of this kind of unit."""
    if name not in AXES[unit]:
        others = [other for other, names in AXES.items() if name in names]
        hint = f"; that is an axis of --unit {others[0]}" if others else ""
        raise UserError(
            f"The axis for --unit {unit} must be one of {', '.join(AXES[unit])}, "
            f"not {name[:60]!r}{hint}"
        )


def make_axis(
    name: str,
    formats: Sequence[Format],
    areas: Records,
    *,
    technology: Technology,
    chip: ChipModel,
    array: ArrayModel,
    storage: Storage | None = None,
    activation: Format | None = None,
    effective_bits: Mapping[str, float] | None = None,
) -> Axis:
    """The axis ``name`` for hardware with weights in ``formats``.

    Parameters
    ----------
    name : str
        A name that :data:`AXES` has for the unit of the records; see :func:`check_axis`.
    formats : sequence of Format
        The formats of the records.
    areas : sequence of record
        Results of ``area.synthesize``, ``synthesize_dots`` or ``synthesize_arrays``.
    technology : Technology
        Gives the SRAM of the array.
    chip, array : ChipModel, ArrayModel
        For the axes ``chip_overhead`` and ``array_area``.
    storage : Storage, optional
        How the buffers of ``array_area`` store values.
    activation : Format, optional
        Format of the other operand; by default the weight's own format.
    effective_bits : mapping of str to float, optional
        For the axis ``bits``: bits per weight of each format, for codes and scales.

    Raises
    ------
    UserError
        For ``energy`` and ``delay``, if all records lack this number; for ``bits``, if
        ``effective_bits`` is empty; for ``chip_overhead``, if INT4 is missing; for ``array_area``,
        if no SRAM of the technology is known, or if there is no array of this size.
    """
    by_name = {fmt.name: fmt for fmt in formats}
    if name in _PLAIN:
        return _PLAIN[name]
    if name == "array_area":
        return _array_axis(by_name, areas, activation, technology, array, storage or Storage())
    if name == "chip_overhead":
        return _chip_axis(by_name, areas, chip)
    if name == "bits":
        return _bits_axis(effective_bits or {})
    if name == "energy":
        return _energy_axis(areas)
    return _delay_axis(areas)


def _array_axis(
    formats: Mapping[str, Format],
    areas: Records,
    activation: Format | None,
    technology: Technology,
    array: ArrayModel,
    storage: Storage,
) -> Axis:
    """The axis that shows the area of an array with its buffers, per MAC."""
    sram, layer = array.sram(technology), array.layer

    def cost(record: HardwareRecord) -> float | None:
        if not isinstance(record, ArrayRecord):
            return None
        weight = formats[record.format]
        return array.area(record, weight, activation or weight, storage, technology).total

    def lossless(record: LosslessRecord) -> float | None:
        bits = record.bits_per_weight
        if bits is None:
            return None
        area = array.area_of_bf16(record.area_um2, weight_bits=bits, technology=technology)
        return area.total

    weight = formats[areas[0].format]
    lanes = getattr(areas[0], "lanes", 1)
    used = f"{array.utilization(weight, activation or weight, lanes):.0%}"
    scale = f"{storage.scale_bits}-bit scales"
    block = f"blocks of {storage.block} with {scale}" if storage.block else "rows"
    note = (
        f"array: synthesized units and registers, and estimated buffers for a layer of "
        f"{layer.inputs} inputs, {layer.outputs} outputs and {layer.tokens} tokens in {block}; the "
        f"layer uses {used} of the products that the array can compute; SRAM: "
        f"{sram.um2_per_bit:.4g} µm² per bit ({sram.source})"
    )
    return Axis(
        "array_area",
        "array_um2_per_mac",
        "Array area per MAC, µm²",
        "Array area per MAC",
        note,
        cost,
        lossless,
    )


def _chip_axis(formats: Mapping[str, Format], areas: Records, chip: ChipModel) -> Axis:
    """The axis that shows by how many percent a chip is larger than a chip for INT4."""
    baseline = {record.format: area_per_mac(record) for record in areas}.get(_BASELINE)
    if baseline is None:
        raise UserError(
            f"The chip overhead is relative to a chip for {_BASELINE}: add {_BASELINE} to the "
            "formats"
        )

    def cost(record: HardwareRecord) -> float:
        bits = formats[record.format].bits
        return chip.overhead_percent(area_per_mac(record) / baseline, bits)

    def lossless(record: LosslessRecord) -> float | None:
        bits = record.bits_per_weight
        ratio = record.area_um2 / baseline
        return None if bits is None else chip.overhead_percent(ratio, bits)

    note = (
        f"chip: {100 * chip.mac_share:g} % MACs, {100 * chip.memory_share:g} % memory with INT4 "
        "(model of Dotzel et al., 2024, Table 10)"
    )
    label = "Chip overhead over INT4, %"
    return Axis(
        "chip_overhead", "chip_overhead_percent", label, "Chip overhead", note, cost, lossless
    )


def _bits_axis(bits: Mapping[str, float]) -> Axis:
    if not bits:
        raise UserError("The effective bits per weight are not known for any format")
    return Axis(
        "bits",
        "effective_bits",
        "Effective bits per weight",
        "Effective bits per weight",
        "bits: codes of the model's weights, entropy-coded where that pays, and their scales",
        lambda record: bits.get(record.format),
        lambda record: record.bits_per_weight,
    )


def _energy_axis(areas: Records) -> Axis:
    def cost(record: HardwareRecord | LosslessRecord) -> float | None:
        return record.glitch_energy_fj

    note = _left_out(areas, "glitch_energy_fj", [cost(record) for record in areas])
    title = f"Energy per {'MAC' if unit_title(areas[0]) == 'MAC' else 'product'}"
    return Axis("energy", "glitch_energy_fj", f"{title}, fJ", title, note, cost, cost)


def _delay_axis(areas: Records) -> Axis:
    def cost(record: HardwareRecord | LosslessRecord) -> float | None:
        return record.delay_ps

    note = _left_out(areas, "delay_ps", [cost(record) for record in areas])
    title = f"Delay of the {unit_title(areas[0])}"
    return Axis("delay", "delay_ps", "Delay, ps", title, note, cost, cost)


def _left_out(areas: Records, column: str, costs: Sequence[float | None]) -> str:
    """A note that names the formats whose cost is None; raises UserError if all costs are None."""
    missing = [record.format for record, cost in zip(areas, costs, strict=True) if cost is None]
    if len(missing) == len(areas):
        raise UserError(f"There is nothing to draw: {column} is null in every record")
    return f"left out, because {column} is null: {', '.join(missing)}" if missing else ""
