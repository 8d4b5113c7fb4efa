"""Makes the scenarios of a MAC: sequences of inputs, and the golden model's results for them."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from halfbyte.formats import Format
from halfbyte.golden import mac_stream, product
from halfbyte.rtl import MacSpec
from halfbyte.sim.limits import Step, walk_to_limits

__all__ = [
    "Stream",
    "all_pairs",
    "clears",
    "expectation",
    "extremes",
    "limits",
    "random_cycles",
    "streams",
]

Codes = NDArray[np.uint8]
Flags = NDArray[np.bool_]

# Products in each of the short sums of the scenario "clears".
SHORT_SUM = 8
# Random cycles come in segments of this length. The probability of a clear changes from segment to
# segment, in this order.
SEGMENT = 500
CLEAR_PROBABILITIES = (1 / 2, 1 / 8, 1 / 64, 0)
ENABLE_PROBABILITY = 3 / 4
# The largest number of products that may lead a sum to a limit of an accumulator. cocotb needs some
# seconds for so many.
MAX_WALK = 2**20


@dataclass(frozen=True)
class Stream:
    """The inputs of a MAC in each clock cycle: four arrays of the same length T.

    w, a: uint8 codes. clear, enable: bool. ``clear`` and ``enable`` are true in the first cycle, so
    that the unknown content of the register has no effect.
    """

    w: Codes
    a: Codes
    clear: Flags
    enable: Flags

    def __post_init__(self) -> None:
        lengths = {len(column) for column in (self.w, self.a, self.clear, self.enable)}
        if len(lengths) != 1 or 0 in lengths:
            raise ValueError(
                f"All columns of a stream must have one length of at least 1, not {sorted(lengths)}"
            )
        if not (self.clear[0] and self.enable[0]):
            raise ValueError("A stream must begin with a cycle that has clear and enable")

    def __len__(self) -> int:
        return len(self.w)


def _pairs(weight: Format, activation: Format) -> tuple[Codes, Codes]:
    """Every pair of codes once: all activation codes for the first weight code, then the next."""
    w, a = np.indices((2**weight.bits, 2**activation.bits), dtype=np.uint8)
    return w.ravel(), a.ravel()


def _worst_pairs(weight: Format, activation: Format) -> list[tuple[Codes, Codes]]:
    """All pairs of codes with the highest product, then all with the lowest."""
    w, a = _pairs(weight, activation)
    products = product(torch.from_numpy(w), torch.from_numpy(a), weight, activation).numpy()
    chosen = [products == extreme for extreme in (products.max(), products.min())]
    return [(w[mask], a[mask]) for mask in chosen]


def _always(count: int) -> Flags:
    """A flag that is true in all of ``count`` cycles."""
    return np.ones(count, dtype=bool)


def all_pairs(weight: Format, activation: Format) -> Stream:
    """Every pair of codes once; each product is a separate sum."""
    w, a = _pairs(weight, activation)
    return Stream(w, a, clear=_always(len(w)), enable=_always(len(w)))


def extremes(weight: Format, activation: Format, terms: int) -> Stream:
    """The highest and the lowest sum of ``terms`` products that the formats allow.

    The first sum adds the highest product again and again, and the second sum the lowest. If
    several pairs of codes give the same extreme product, the sum uses them in turn.
    """
    sums = [(np.resize(w, terms), np.resize(a, terms)) for w, a in _worst_pairs(weight, activation)]
    w, a = (np.concatenate(columns) for columns in zip(*sums, strict=True))
    clear = np.arange(len(w)) % terms == 0
    return Stream(w, a, clear, enable=_always(len(w)))


def clears(weight: Format, activation: Format, generator: np.random.Generator) -> Stream:
    """Short sums with a second clear, whose position changes from sum to sum.

    At the first position it coincides with the first clear, and enable is high. At the other
    positions, enable is high in the first half of the sums. In the second half it is low, so that
    the MAC must ignore the second clear. Products of zero are avoided, since they would hide a
    clear.
    """
    sums = 2 * SHORT_SUM
    position = np.arange(SHORT_SUM)
    middle = np.arange(sums) % SHORT_SUM
    clear = (position == 0) | (position == middle[:, None])  # (sums, SHORT_SUM)
    # Enable is low at the second clear of each sum in the second half.
    ignored = (np.arange(sums) >= SHORT_SUM)[:, None] & (position > 0) & clear
    visible_w, visible_a = (np.flatnonzero(fmt.integers) for fmt in (weight, activation))
    w, a = (
        generator.choice(codes, clear.size).astype(np.uint8) for codes in (visible_w, visible_a)
    )
    return Stream(w, a, clear.ravel(), enable=~ignored.ravel())


def random_cycles(
    weight: Format, activation: Format, cycles: int, generator: np.random.Generator
) -> Stream:
    """Random codes and flags; a clear is frequent, rare or absent, depending on the segment."""
    segments = np.arange(cycles) // SEGMENT % len(CLEAR_PROBABILITIES)
    clear = generator.random(cycles) < np.array(CLEAR_PROBABILITIES)[segments]
    enable = generator.random(cycles) < ENABLE_PROBABILITY
    clear[0] = enable[0] = True
    return Stream(
        w=generator.integers(2**weight.bits, size=cycles, dtype=np.uint8),
        a=generator.integers(2**activation.bits, size=cycles, dtype=np.uint8),
        clear=clear,
        enable=enable,
    )


def limits(specs: Iterable[MacSpec]) -> Stream:
    """Products that lead a sum to both limits of every accumulator, and beyond the limits.

    A limit is left out if no product has its sign, or if it is more than ``MAX_WALK`` of the
    largest products away.
    """
    by_width = {spec.width: spec for spec in specs}
    steps = [step for spec in by_width.values() for step in walk_to_limits(spec, MAX_WALK)]
    steps = steps or [Step(0, 0, clear=True)]
    held = [step.cycles for step in steps]
    w, a = (
        np.repeat(np.array([getattr(step, side) for step in steps], np.uint8), held)
        for side in ("w", "a")
    )
    clear = np.repeat([step.clear for step in steps], held)
    return Stream(w, a, clear, enable=_always(len(w)))


def streams(macs: Sequence[MacSpec], *, cycles: int, seed: int) -> dict[str, Stream]:
    """The stream of every scenario, for MACs of the same formats.

    Equal arguments give equal streams. The scenario ``extremes`` takes its number of terms from the
    first MAC.
    """
    weight, activation, terms = macs[0].weight, macs[0].activation, macs[0].terms
    for_clears, for_cycles = np.random.default_rng(seed).spawn(2)
    return {
        "pairs": all_pairs(weight, activation),
        "extremes": extremes(weight, activation, terms),
        "limits": limits(macs),
        "clears": clears(weight, activation, for_clears),
        "random": random_cycles(weight, activation, cycles, for_cycles),
    }


def expectation(stream: Stream, spec: MacSpec) -> NDArray[np.int64]:
    """The MAC's ``acc`` after each cycle, from the golden model; (T,) int64.

    While enable is low, the register keeps the sum of the last cycle in which enable was high.
    """
    enabled = stream.enable if spec.enable else _always(len(stream))
    w, a, clear = (
        torch.from_numpy(column[enabled]) for column in (stream.w, stream.a, stream.clear)
    )
    sums = mac_stream(w, a, clear, **spec.arithmetic)
    held: NDArray[np.int64] = sums.numpy()[np.cumsum(enabled) - 1]
    return held
