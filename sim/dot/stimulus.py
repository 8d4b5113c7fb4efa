"""Holds the inputs of a dot-product unit in every cycle, as arrays, and packs them into bytes."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from halfbyte.formats import Format
from halfbyte.rtl.dot import DotSpec
from halfbyte.sim.ports import PortMap

__all__ = ["Codes", "Stimulus", "packed"]


@dataclass(frozen=True)
class Stimulus:
    """The inputs of T cycles.

    Parameters
    ----------
    w, a : array
        (T, lanes) uint8, operand codes.
    clear, last : array
        (T,) bool: whether the cycle starts a new sum, and whether it ends a block.
    w_scale, a_scale : array
        (T,) uint8, codes of the scales, or (T, B) for B blocks a cycle; ignored if the unit has no
        scales.
    """

    w: NDArray[np.uint8]
    a: NDArray[np.uint8]
    clear: NDArray[np.bool_]
    last: NDArray[np.bool_]
    w_scale: NDArray[np.uint8]
    a_scale: NDArray[np.uint8]

    def __len__(self) -> int:
        return len(self.w)

    def started(self) -> "Stimulus":
        """These inputs with a clear in the first cycle, when the accumulator is still unknown."""
        clear = self.clear.copy()
        clear[0] = True
        return replace(self, clear=clear)

    def folded(self, blocks: int) -> "Stimulus":
        """The inputs for a unit that takes ``blocks`` blocks a cycle.

        Each new cycle has the blocks of ``blocks`` consecutive cycles. It has a clear if the first
        of these cycles has a clear.
        """
        count = len(self) // blocks
        w, a, w_scale, a_scale = (
            each[: count * blocks].reshape(count, -1)
            for each in (self.w, self.a, self.w_scale, self.a_scale)
        )
        clear = self.clear[: count * blocks : blocks]
        return Stimulus(w, a, clear, np.ones(count, np.bool_), w_scale, a_scale)

    def side_by_side(self, blocks: int) -> "Stimulus":
        """The inputs for a unit that takes ``blocks`` blocks a cycle: every block gets all inputs.

        Block n gets them n cycles later than block 0.
        """
        w, a, w_scale, a_scale = (
            np.concatenate([np.roll(each, place, axis=0) for place in range(blocks)], axis=1)
            for each in (self.w, self.a, self.w_scale[:, None], self.a_scale[:, None])
        )
        return replace(self, w=w, a=a, w_scale=w_scale, a_scale=a_scale)

    def words(self, spec: DotSpec, ports: PortMap) -> NDArray[np.uint8]:
        """All inputs of each cycle as one number, the lowest byte first; (T, bytes) uint8."""
        columns = {
            "w": _bits(self.w, spec.weight.bits),
            "a": _bits(self.a, spec.activation.bits),
            "clear": self.clear[:, None],
            "last": self.last[:, None],
        }
        if spec.scale:
            for name in ("w_scale", "a_scale"):
                codes = getattr(self, name).reshape(len(self), -1)
                columns[name] = _bits(codes, spec.scale.bits)
        return packed(np.concatenate([columns[name] for name in ports.inputs], axis=1))


def _bits(codes: NDArray[np.uint8], width: int) -> NDArray[np.uint8]:
    """Codes (T, n) as bits (T, n * width); bit 0 of the first code is first."""
    bits = codes[:, :, None] >> np.arange(width, dtype=np.uint8) & 1
    return bits.reshape(len(codes), -1).astype(np.uint8)


def packed(bits: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Bits (T, n) packed into bytes (T, bytes) uint8; the first bit is the lowest."""
    return np.packbits(bits.astype(np.uint8), axis=1, bitorder="little")


class Codes:
    """The codes of a format's highest and lowest value, zero, and smallest positive value.

    If the format has no zero, ``zero`` is the code of the smallest magnitude. ``negated`` holds,
    for each code, the code of the negated value, or the code itself if there is no such value.
    """

    def __init__(self, fmt: Format) -> None:
        self.count = 2**fmt.bits
        integers = np.array(fmt.integers)
        self.integers = integers
        self.highest, self.lowest = int(integers.argmax()), int(integers.argmin())
        self.zero = int(np.abs(integers).argmin())
        self.smallest = int(np.where(integers > 0, integers, integers.max() + 1).argmin())
        by_value = {int(value): code for code, value in enumerate(integers)}
        self.negated = np.array(
            [by_value.get(-int(value), code) for code, value in enumerate(integers)], np.uint8
        )
