"""From one MAC to a chip: the paper's model of area shares, and an array from its parts."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path

from halfbyte.area import SynthesisRecord
from halfbyte.area.cells.technology import Technology
from halfbyte.base import UserError
from halfbyte.base.strict_yaml import check_keys, read_mapping
from halfbyte.formats import Format, lossless_acc_width

__all__ = ["SRAM", "ArrayArea", "ArrayModel", "ChipModel", "Layer", "SramDensity", "load_array"]

MAX_COUNT = 2**24


@dataclass(frozen=True)
class ChipModel:
    """A chip by its area shares: the estimate of Dotzel et al. (2024), Table 10.

    On a baseline chip, MACs take the share ``mac_share`` of the area and memory takes
    ``memory_share``. The part of the MACs scales with the area of one MAC, and the memory with the
    bits of a value. The rest stays the same.

    Raises UserError unless both shares are from 0 to 1 and their sum is at most 1.
    """

    mac_share: float
    memory_share: float

    def __post_init__(self) -> None:
        shares = (self.mac_share, self.memory_share)
        if not all(0 <= share <= 1 for share in shares) or sum(shares) > 1:
            raise UserError(
                "The shares of MACs and memory in a chip must be from 0 to 1, and at most 1 "
                f"together, not {self.mac_share} and {self.memory_share}"
            )

    def overhead_percent(self, mac_ratio: float, bits: float = 4) -> float:
        """Chip area over the baseline's in %, for a MAC ``mac_ratio`` times as large.

        ``bits`` is the width of a value; the baseline has 4 bits.
        """
        return 100 * (self.mac_share * (mac_ratio - 1) + self.memory_share * (bits / 4 - 1))


@dataclass(frozen=True)
class SramDensity:
    """Area of an SRAM macro per stored bit, in um^2, with decoders, sense amplifiers and edges."""

    um2_per_bit: float
    source: str


# Single-port macros, with the outlines in their LEF files (SIZE). For each technology, one of 16 or
# 32 Kbit was chosen among those that were found.
SRAM: Mapping[str, SramDensity] = {
    "sky130hd": SramDensity(
        483.86 * 326.1 / (512 * 32),
        "OpenRAM, VLSIDA/sky130_sram_macros: sky130_sram_2kbyte_1rw_32x512_8, 483.86 x 326.1 um",
    ),
    "sg13g2": SramDensity(
        236.8 * 618.3 / (4096 * 8),
        "IHP-GmbH/IHP-Open-PDK: RM_IHPSG13_1P_4096x8_c3_bm_bist, 236.8 x 618.3 um",
    ),
    "asap7": SramDensity(
        30.348 * 25.92 / (1024 * 16),
        "The-OpenROAD-Project/asap7_sram_0p0: srambank_256x4x16_6t122, 30.348 x 25.92 um",
    ),
}


@dataclass(frozen=True)
class Layer:
    """A fully connected layer: ``outputs`` sums over ``inputs`` products for each of ``tokens``.

    The defaults are an attention projection of Llama 2 7B, whose hidden size is 4096 (Touvron et
    al., 2023), on a batch that fills the array.
    """

    inputs: int = 4096
    outputs: int = 4096
    tokens: int = 64


@dataclass(frozen=True)
class ArrayArea:
    """Parts of an array, in um^2 per MAC."""

    mac: float
    operands: float
    sums: float
    weight_buffer: float
    activation_buffer: float

    @property
    def total(self) -> float:
        """The sum of all parts."""
        return float(sum(asdict(self).values()))


@dataclass(frozen=True)
class ArrayModel:
    """An output-stationary systolic array of ``rows`` x ``columns`` MACs with its memories.

    What is assumed:

    - Each MAC computes one output for one token: rows are tokens, columns are outputs. Weights move
      down the columns and activations along the rows, so that every MAC has a register for both
      operands: ``weight bits + activation bits`` of the technology's smallest flip-flop.
    - The MAC is the synthesized one. Its accumulator is resized for exact sums over one block, or
      over all inputs without blocks. Each bit more or less counts as the average area of a bit of
      its adder, clear and register.
    - Block sums are scaled and added up in ``sum_bits`` flip-flops beside each MAC (FP32 by
      default, as in the golden model's GEMM). Without blocks, only the accumulator is needed.
    - The weight buffer holds the weights of one output for each column. The activation buffer holds
      the activations of one token for each row. Both hold all inputs of the layer, but no more
      outputs or tokens than the layer has. They store ``copies`` of this: two by default, to load
      one while the other is used. A value takes its code and its share of a block's scale:
      ``bits + scale_bits / block``.
    - Buffers are SRAM at ``sram_um2_per_bit``, by default that of a public macro of the technology
      (:data:`SRAM`).

    Left out: the multipliers and adders that apply scales (one a block, so that a few can serve a
    whole column), control, wires, the clock tree, and what placement leaves empty.

    Parameters
    ----------
    rows, columns : int
        Size of the array.
    layer : Layer
        What the buffers are sized for.
    block : int or None
        Values that share a scale; None for one scale per row, which is not counted.
    scale_bits : int
        Bits of a block's scale; 32 is FP32.
    sum_bits : int
        Bits of the sum over blocks.
    copies : int
        Copies of the contents of the buffers.
    sram_um2_per_bit : float, optional
        Area of a bit of SRAM, including its share of decoders and edges.

    Raises
    ------
    UserError
        On construction, for a value that is not a positive number.
    """

    rows: int = 64
    columns: int = 64
    layer: Layer = field(default_factory=Layer)
    block: int | None = 128
    scale_bits: int = 32
    sum_bits: int = 32
    copies: int = 2
    sram_um2_per_bit: float | None = None

    def __post_init__(self) -> None:
        counts = {name: getattr(self, name) for name in ("rows", "columns", "copies")}
        counts |= {f"layer.{name}": value for name, value in vars(self.layer).items()}
        if self.block is not None:
            counts["block"] = self.block
        for name, value in counts.items():
            _check_count(name, value, least=1)
        for name in ("scale_bits", "sum_bits"):
            _check_count(name, getattr(self, name), least=0)
        density = self.sram_um2_per_bit
        if density is not None and not (type(density) in (int, float) and 0 < density < math.inf):
            raise UserError(f"sram_um2_per_bit must be a positive area, not {density!r:.60}")

    def sram(self, technology: Technology) -> SramDensity:
        """The area of a bit; raises UserError if it is neither given nor known."""
        if self.sram_um2_per_bit is not None:
            return SramDensity(self.sram_um2_per_bit, "as given")
        if technology.name not in SRAM:
            raise UserError(
                f"No SRAM macro of {technology.name} is known: state the area of a bit as "
                "sram_um2_per_bit in the file of --array"
            )
        return SRAM[technology.name]

    def bits_of(self, fmt: Format) -> float:
        """Bits stored for a value: its code and its share of a block's scale."""
        return fmt.bits + (self.scale_bits / self.block if self.block else 0.0)

    def area(
        self,
        record: SynthesisRecord,
        weight: Format,
        activation: Format,
        technology: Technology,
    ) -> ArrayArea:
        """The array's parts per MAC, for the MAC of a synthesis record.

        Raises UserError if the record does not state the area of the accumulator's logic.
        """
        flip_flop, bit = technology.flip_flop.area, self.sram(technology).um2_per_bit
        macs, layer = self.rows * self.columns, self.layer
        held = self.copies * layer.inputs
        weights = min(self.columns, layer.outputs) * held * self.bits_of(weight)
        activations = min(self.rows, layer.tokens) * held * self.bits_of(activation)
        return ArrayArea(
            mac=record.area_um2 + self._accumulator_change(record, weight, activation),
            operands=(weight.bits + activation.bits) * flip_flop,
            sums=self.sum_bits * flip_flop if self.block else 0.0,
            weight_buffer=weights * bit / macs,
            activation_buffer=activations * bit / macs,
        )

    def area_of_bits(
        self,
        mac_um2: float,
        *,
        weight_bits: float,
        activation_bits: float,
        operand_bits: int,
        technology: Technology,
    ) -> ArrayArea:
        """The array's parts per MAC, for a MAC that accumulates in floating point without blocks.

        A MAC has registers for ``operand_bits``. The buffers store values of the other given
        widths.
        """
        bit, macs = self.sram(technology).um2_per_bit, self.rows * self.columns
        held = self.copies * self.layer.inputs
        return ArrayArea(
            mac=mac_um2,
            operands=operand_bits * technology.flip_flop.area,
            sums=0.0,
            weight_buffer=min(self.columns, self.layer.outputs) * held * weight_bits * bit / macs,
            activation_buffer=min(self.rows, self.layer.tokens)
            * held
            * activation_bits
            * bit
            / macs,
        )

    def _accumulator_change(
        self, record: SynthesisRecord, weight: Format, activation: Format
    ) -> float:
        if record.accumulator_um2 is None:
            raise UserError(
                f"The record of {record.format} does not state its accumulator's area: for the "
                "area of an array, synthesize its multiplier, too"
            )
        terms = min(self.block or self.layer.inputs, self.layer.inputs)
        bits = lossless_acc_width(weight, activation, terms) - record.acc_width
        logic = record.accumulator_um2 + record.register_um2
        return bits * logic / record.acc_width


def _check_count(name: str, value: object, least: int) -> None:
    if type(value) is not int or not least <= value <= MAX_COUNT:
        raise UserError(f"{name} must be an integer from {least} to {MAX_COUNT}, not {value!r:.60}")


def load_array(path: Path) -> ArrayModel:
    """An array from a YAML file, whose keys are the fields of :class:`ArrayModel`.

    Raises UserError, with the file's name, for an unknown key or a wrong value.
    """
    data = read_mapping(path, "an array")
    try:
        check_keys(data, "an array", tuple(each.name for each in fields(ArrayModel)))
        layer = data.get("layer", {})
        if not isinstance(layer, dict):
            raise UserError(f"layer must be a mapping of keys, not {layer!r:.60}")
        check_keys(layer, "layer", tuple(each.name for each in fields(Layer)))
        return ArrayModel(**{**data, "layer": Layer(**layer)})
    except UserError as error:
        raise UserError(f"{path}: {error}") from error
