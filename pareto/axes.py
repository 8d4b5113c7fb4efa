"""What a format costs: the horizontal axis of the plots."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from halfbyte.area import SynthesisRecord, Technology
from halfbyte.base import UserError
from halfbyte.formats import Format
from halfbyte.pareto.records import LosslessRecord
from halfbyte.pareto.system import ArrayModel, ChipModel

__all__ = ["AXES", "MAC_AREA", "Axis", "check_axis", "make_axis"]

Records = Sequence[SynthesisRecord]
BF16_BITS = 16
# The format of the MACs on the chip whose area shares are published.
_BASELINE = "int4"


@dataclass(frozen=True)
class Axis:
    """A cost; less is better.

    Parameters
    ----------
    name : str
        Name for ``--axis``.
    column : str
        Name of the column in data files.
    label : str
        Label with the unit.
    title : str
        The first words of a plot's title.
    note : str
        What the cost is based on, for the caption; may be empty.
    cost : function
        Gives the cost from a synthesis record; None if the record lacks it.
    lossless : function
        Gives the cost from the record of BF16 with DFloat11.
    """

    name: str
    column: str
    label: str
    title: str
    note: str
    cost: Callable[[SynthesisRecord], float | None]
    lossless: Callable[[LosslessRecord], float | None]

    @property
    def unit(self) -> str:
        """The unit in the label; empty if it has none."""
        return self.label.partition(", ")[2]


def _area(record: SynthesisRecord | LosslessRecord) -> float:
    return record.area_um2


MAC_AREA = Axis("mac_area", "area_um2", "MAC area, µm²", "Area of this project", "", _area, _area)
AXES = ("mac_area", "array_area", "chip_overhead", "energy", "delay", "bits")


def check_axis(name: str) -> None:
    """Raise UserError for an unknown axis."""
    if name not in AXES:
        raise UserError(f"Axis must be one of {', '.join(AXES)}, not {name[:60]!r}")


def make_axis(
    name: str,
    formats: Sequence[Format],
    areas: Records,
    *,
    technology: Technology,
    chip: ChipModel,
    array: ArrayModel,
    activation: Format | None = None,
    effective_bits: Mapping[str, float] | None = None,
) -> Axis:
    """The axis ``name`` for MACs with weights in ``formats``.

    Parameters
    ----------
    name : str
        One of :data:`AXES`.
    formats : sequence of Format
        The formats of the records.
    areas : sequence of SynthesisRecord
        Results of ``area.synthesize``.
    technology : Technology
        Gives the flip-flop and SRAM of the array.
    chip, array : ChipModel, ArrayModel
        For the axes ``chip_overhead`` and ``array_area``.
    activation : Format, optional
        Format of the other operand; by default the weight's own format.
    effective_bits : mapping of str to float, optional
        For the axis ``bits``: bits per weight of each format, with entropy-coded codes and scales.

    Raises
    ------
    UserError
        The axis is unknown, or all records lack its figure.
    """
    check_axis(name)
    by_name = {fmt.name: fmt for fmt in formats}
    if name == "mac_area":
        return MAC_AREA
    if name == "array_area":
        return _array_axis(by_name, activation, technology, array)
    if name == "chip_overhead":
        return _chip_axis(by_name, areas, chip)
    if name == "bits":
        return _bits_axis(effective_bits or {})
    if name == "energy":
        return _energy_axis(areas)
    return _delay_axis(areas)


def _array_axis(
    formats: Mapping[str, Format],
    activation: Format | None,
    technology: Technology,
    array: ArrayModel,
) -> Axis:
    sram, layer = array.sram(technology), array.layer

    def cost(record: SynthesisRecord) -> float:
        weight = formats[record.format]
        return array.area(record, weight, activation or weight, technology).total

    def lossless(record: LosslessRecord) -> float | None:
        if record.bits_per_weight is None:
            return None
        return array.area_of_bits(
            record.area_um2,
            weight_bits=record.bits_per_weight,
            activation_bits=BF16_BITS,
            operand_bits=2 * BF16_BITS,
            technology=technology,
        ).total

    block = f"blocks of {array.block} with {array.scale_bits}-bit scales" if array.block else "rows"
    note = (
        f"array: {array.rows} x {array.columns} MACs with operand registers, sums of "
        f"{array.sum_bits} bits and buffers for a layer of {layer.inputs} inputs, {layer.outputs} "
        f"outputs and {layer.tokens} tokens, {block}; SRAM: {sram.um2_per_bit:.4g} µm² a bit "
        f"({sram.source})"
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
    baseline = {record.format: record.area_um2 for record in areas}.get(_BASELINE)
    if baseline is None:
        raise UserError(f"The chip overhead is counted from {_BASELINE}: add it to the formats")

    def cost(record: SynthesisRecord) -> float:
        bits = formats[record.format].bits
        return chip.overhead_percent(record.area_um2 / baseline, bits)

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
        raise UserError("The effective bits of no format are known")
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
    def cost(record: SynthesisRecord | LosslessRecord) -> float | None:
        return record.glitch_energy_fj

    note = _left_out(areas, "glitch_energy_fj", [cost(record) for record in areas])
    return Axis(
        "energy", "glitch_energy_fj", "Energy per MAC, fJ", "Energy per MAC", note, cost, cost
    )


def _delay_axis(areas: Records) -> Axis:
    def cost(record: SynthesisRecord | LosslessRecord) -> float | None:
        return record.delay_ps

    note = _left_out(areas, "delay_ps", [cost(record) for record in areas])
    return Axis("delay", "delay_ps", "Delay, ps", "Delay of the MAC", note, cost, cost)


def _left_out(areas: Records, column: str, costs: Sequence[float | None]) -> str:
    """A note on the formats without a figure; raises UserError if all lack it."""
    missing = [record.format for record, cost in zip(areas, costs, strict=True) if cost is None]
    if len(missing) == len(areas):
        raise UserError(f"There is nothing to draw: {column} is null in every record")
    return f"{column} is null, and so left out: {', '.join(missing)}" if missing else ""
