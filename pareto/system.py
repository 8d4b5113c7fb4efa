"""Estimate the area of a chip, or of an array of units with its memories.

The chip is estimated from the area of one MAC and the area shares of Dotzel et al. (2024). The
array has units that were synthesized, and estimated buffers.
"""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path

from halfbyte.area.cells.technology import Technology
from halfbyte.area.search.array_records import ArrayRecord
from halfbyte.base import UserError
from halfbyte.base.strict_yaml import check_keys, read_mapping
from halfbyte.formats import Format
from halfbyte.rtl.array import Dataflow, SystolicSpec, make_array
from halfbyte.rtl.array.weight_spec import least_depth
from halfbyte.rtl.dot import DotSpec

__all__ = [
    "SRAM",
    "ArrayArea",
    "ArrayModel",
    "ChipModel",
    "Layer",
    "SramDensity",
    "Storage",
    "load_array",
]

MAX_COUNT = 2**24
BF16_BITS, FP32_BITS = 16, 32
# An element of an array is a unit with its registers. Control bits go through it: LOAD_BITS of them
# in a weight-stationary element, namely "load", and CONTROL_BITS in an output-stationary element,
# namely "clear", "take", and a bit that says whether a result passes through.
LOAD_BITS, CONTROL_BITS = 1, 3


@dataclass(frozen=True)
class ChipModel:
    """A chip that is described by its area shares, as in Dotzel et al. (2024), Table 10.

    On a baseline chip, MACs take the share ``mac_share`` of the area and memory takes
    ``memory_share``. The area of the MACs scales with the area of one MAC, and the area of memory
    with the bits of a value. The rest stays the same.

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
        """How much larger the chip is than the baseline, in %.

        Its MAC is ``mac_ratio`` times as large as the baseline's. ``bits`` is the width of a value;
        the baseline has 4 bits.
        """
        return 100 * (self.mac_share * (mac_ratio - 1) + self.memory_share * (bits / 4 - 1))


@dataclass(frozen=True)
class SramDensity:
    """Area of an SRAM macro per stored bit, in um^2, with decoders, sense amplifiers and edges."""

    um2_per_bit: float
    source: str


# Single-port macros. Their outlines are the SIZE in their LEF files. For each technology, a macro
# of 16 or 32 Kbit was chosen among those that were found.
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
    """A fully connected layer: for each token, it computes ``outputs`` sums of ``inputs`` products.

    The defaults are an attention projection of Llama 2 7B, whose hidden size is 4096 (Touvron et
    al., 2023), on a batch of 64 tokens: one for each row of the default array.
    """

    inputs: int = 4096
    outputs: int = 4096
    tokens: int = 64


@dataclass(frozen=True)
class ArrayArea:
    """The areas of the parts of an array with its memories, in um^2 per MAC."""

    units: float
    registers: float
    weight_buffer: float
    activation_buffer: float

    @property
    def total(self) -> float:
        """The sum of all parts."""
        return float(sum(asdict(self).values()))


@dataclass(frozen=True)
class Storage:
    """How buffers store values: in blocks with one scale each, or with one scale per matrix row.

    Scales of rows are so few that they are not counted.

    Parameters
    ----------
    block : int or None
        Number of values that share a scale; None for one scale per row.
    scale_bits : int
        Bits of a block's scale; 32 is FP32.
    """

    block: int | None = 128
    scale_bits: int = 32

    def bits(self, fmt: Format) -> float:
        """Bits stored for a value: its code and its share of a block's scale."""
        return fmt.bits + (self.scale_bits / self.block if self.block else 0.0)


@dataclass(frozen=True)
class ArrayModel:
    """A systolic array of ``rows`` x ``columns`` units with its memories.

    An element of the array is a unit with its registers. In an output-stationary array, a sum stays
    in its element; in a weight-stationary array, the weights stay. The area of units and registers
    is that of a synthesized array (``area.search.arrays``). Only the buffers are estimated:

    - The weight buffer holds the weights of one output for each column. The activation buffer holds
      the activations of as many tokens as the array sums at a time. An output-stationary array sums
      one token per row, a weight-stationary array sums ``depth`` tokens. Both buffers hold the
      values for all inputs of the layer, but for no more outputs or tokens than the layer has. Each
      buffer has room for ``copies`` of its values: two by default, to load one while the other is
      used.
    - Buffers are SRAM at ``sram_um2_per_bit``, by default that of a public macro of the technology
      (:data:`SRAM`).

    The model leaves out control, wires, the clock tree, the area that placement leaves empty, and
    the hardware that scales sums if the units take no scales.

    Parameters
    ----------
    rows, columns : int
        Size of the array, in units.
    dataflow : str
        ``output`` for an output-stationary array, ``weight`` for a weight-stationary array.
    depth : int, optional
        Number of tokens whose sums a column of a weight-stationary array holds at a time; by
        default, the least that such an array can have. See
        :class:`halfbyte.rtl.array.WeightArraySpec`.
    layer : Layer
        The layer whose values the buffers hold.
    copies : int
        Number of copies of the values that the buffers have room for.
    sram_um2_per_bit : float, optional
        Area of a bit of SRAM in um^2, including its share of decoders and edges.

    Raises
    ------
    UserError
        On construction, for a size that is not an integer from 1 to 2**24, an area that is not
        positive, or an unknown dataflow.
    """

    rows: int = 64
    columns: int = 64
    dataflow: str = Dataflow.OUTPUT.value
    depth: int | None = None
    layer: Layer = field(default_factory=Layer)
    copies: int = 2
    sram_um2_per_bit: float | None = None

    def __post_init__(self) -> None:
        counts = {name: getattr(self, name) for name in ("rows", "columns", "copies")}
        counts |= {f"layer.{name}": value for name, value in vars(self.layer).items()}
        counts |= {} if self.depth is None else {"depth": self.depth}
        for name, value in counts.items():
            if type(value) is not int or not 1 <= value <= MAX_COUNT:
                raise UserError(
                    f"{name} must be an integer from 1 to {MAX_COUNT}, not {value!r:.60}"
                )
        Dataflow.named(self.dataflow)
        density = self.sram_um2_per_bit
        if density is not None and not (type(density) in (int, float) and 0 < density < math.inf):
            raise UserError(f"sram_um2_per_bit must be a positive area, not {density!r:.60}")

    def sram(self, technology: Technology) -> SramDensity:
        """The area of a bit of SRAM; raises UserError if it is neither given nor known."""
        if self.sram_um2_per_bit is not None:
            return SramDensity(self.sram_um2_per_bit, "as given")
        if technology.name not in SRAM:
            raise UserError(
                f"No SRAM macro of {technology.name} is known: state the area of a bit as "
                "sram_um2_per_bit in the file of --array"
            )
        return SRAM[technology.name]

    @property
    def keeps_weights(self) -> bool:
        """Whether the array is weight-stationary."""
        return self.dataflow == Dataflow.WEIGHT.value

    def spec(self, unit: DotSpec) -> SystolicSpec:
        """The specification of an array whose elements contain ``unit``.

        Raises UserError for a size or a depth that such an array cannot have.
        """
        return make_array(unit, self.rows, self.columns, self.dataflow, self.depth)

    def utilization(self, weight: Format, activation: Format, lanes: int) -> float:
        """The layer's products as a share of those that the array could compute: 0 to 1."""
        spec = self.spec(DotSpec(weight, activation, lanes))
        return spec.utilization(self.layer.inputs, self.layer.outputs, self.layer.tokens)

    def area(
        self,
        record: ArrayRecord,
        weight: Format,
        activation: Format,
        storage: Storage,
        technology: Technology,
    ) -> ArrayArea:
        """The areas per MAC of the parts of a synthesized array, and of its estimated buffers.

        Raises UserError if no SRAM of the technology is known.
        """
        units = record.unit_um2 / record.lanes
        weights, activations = self._buffers(
            storage.bits(weight), storage.bits(activation), record.lanes, technology
        )
        return ArrayArea(units, record.um2_per_mac - units, weights, activations)

    def area_of_bf16(
        self, mac_um2: float, *, weight_bits: float, technology: Technology
    ) -> ArrayArea:
        """The areas per MAC of the parts of an array of BF16 MACs, estimated and not synthesized.

        Each element has two operand registers. An output-stationary element also has a register for
        the FP32 result on its way out, and three control bits. A weight-stationary element also has
        a register for the weight that stays, and one control bit. The weight buffer stores
        ``weight_bits`` per weight.
        """
        weights, activations = self._buffers(weight_bits, BF16_BITS, 1, technology)
        kept = BF16_BITS + LOAD_BITS if self.keeps_weights else FP32_BITS + CONTROL_BITS
        registers = (2 * BF16_BITS + kept) * technology.flip_flop.area
        return ArrayArea(mac_um2, registers, weights, activations)

    def _buffers(
        self, weight_bits: float, activation_bits: float, lanes: int, technology: Technology
    ) -> tuple[float, float]:
        """The areas of the weight buffer and of the activation buffer, in um^2 per MAC."""
        held = self.copies * self.layer.inputs * self.sram(technology).um2_per_bit
        macs = self.rows * self.columns * lanes
        summed = self.depth or least_depth(self.rows) if self.keeps_weights else self.rows
        return (
            min(self.columns, self.layer.outputs) * held * weight_bits / macs,
            min(summed, self.layer.tokens) * held * activation_bits / macs,
        )


def load_array(path: Path) -> ArrayModel:
    """Read an array from a YAML file, whose keys are the fields of :class:`ArrayModel`.

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
