"""``DotSpec``: the specification of a dot-product unit, for RTL, simulation, proofs and the GPU."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

from amaranth.lib import wiring

from halfbyte.rtl.dot.lane import Lane, lane_architectures
from halfbyte.rtl.dot.numbers import Accumulator, DotNumbers
from halfbyte.rtl.dot.unit import DotUnit
from halfbyte.rtl.spec import AUTO
from halfbyte.rtl.unit_spec import UnitSpec

__all__ = ["DOT", "LANE_PART", "DotSpec"]

DOT, LANE_PART = "dot", "lane"


@dataclass(frozen=True)
class DotSpec(DotNumbers, UnitSpec):
    """The specification of a dot-product unit: parameters, ports, names and modules.

    The parameters and errors are those of :class:`halfbyte.rtl.dot.numbers.DotNumbers`. A *lane* is
    the part of the unit that computes one product per cycle.
    """

    @property
    def code_bits(self) -> int:
        """Bits of a weight code and an activation code together."""
        return self.weight.bits + self.activation.bits

    @property
    def inputs(self) -> dict[str, int]:
        """Widths in bits of the unit's inputs, without the clock, by name."""
        ports = {
            "w": self.lanes * self.weight.bits,
            "a": self.lanes * self.activation.bits,
        }
        if not self.chained:
            ports["clear"] = 1
        else:
            ports |= {"addend": self.width} | ({"addend_nan": 1} if self.is_exact else {})
        if self.scale:
            bits = self.blocks_per_cycle * self.scale.bits
            ports |= {"w_scale": bits, "a_scale": bits}
        return {**ports, "last": 1} if self.gathers else ports

    @property
    def outputs(self) -> dict[str, int]:
        """Widths in bits of the unit's outputs, by name."""
        return {"acc": self.width, "nan": 1} if self.is_exact else {"acc": self.width}

    @property
    def parts(self) -> Sequence[str]:
        """Names of the modules that are synthesized and proved correct: the unit, and a lane."""
        return (DOT, LANE_PART)

    @property
    def title(self) -> str:
        """Formats, lanes, scales and accumulator, as text for people."""
        scale = f", {self.scale.title} scales" if self.scale else ""
        return (
            f"{self.weight.name} x {self.activation.name}, {self.lanes} lanes{scale}, "
            f"{self.accumulator.value}"
        )

    @property
    def name(self) -> str:
        """A name for modules and files."""
        formats = dict.fromkeys((self.weight.name, self.activation.name))
        words = ["dot", *formats, f"lanes{self.lanes}", self.accumulator.value]
        if self.chained:
            words.append("chained")
        if self.scale:
            words += [self.scale.name, f"block{self.block_size}"]
        if self.accumulator is not Accumulator.FP32:
            words += [f"acc{self.width}", self.overflow.value]
        if self.window:
            words += [f"from{self.window[0]}_to{self.window[1]}".replace("-", "m")]
        return "_".join([*words, self.architecture])

    @property
    def content(self) -> dict[str, Any]:
        """Everything that the hardware depends on, as plain data.

        The key of a stored result is made from it.
        """
        return {
            "unit": DOT,
            "formats": [
                [fmt.bits, fmt.integers, str(fmt.quantum)] for fmt in (self.weight, self.activation)
            ],
            "lanes": self.lanes,
            "architecture": self.architecture,
            "accumulator": self.accumulator.value,
            "scale": self.scale and [self.scale.name, self.scale.bits, self.scale.bias],
            "block": self.block_size,
            "acc_width": self.width,
            "overflow": self.overflow.value,
            "window": self.window,
            "final_adder": self.final_adder.value,
            "adders": self.adders.module,
            "chained": self.chained,
        }

    @property
    def fields(self) -> dict[str, Any]:
        """The fields with which a record repeats the specification."""
        is_integer = self.accumulator is Accumulator.INTEGER
        return {
            "format": self.weight.name,
            "activation": self.activation.name,
            "unit": DOT,
            "architecture": self.architecture,
            "lanes": self.lanes,
            "accumulator": self.accumulator.value,
            "scale": self.scale.name if self.scale else None,
            "block": self.block_size if self.scale else None,
            "terms": None if self.accumulator is Accumulator.FP32 else self.terms,
            "acc_width": self.width,
            "overflow": self.overflow.value if is_integer else None,
            "window": self.window,
            "final_adder": self.final_adder.value,
        }

    def component(self) -> DotUnit:
        """A new unit. Raises ArchitectureError if the architecture is ``auto``."""
        return DotUnit(self)

    def lane(self) -> Lane:
        """A new lane alone. Raises ArchitectureError if the architecture is ``auto``."""
        return Lane(weight=self.weight, activation=self.activation, architecture=self.architecture)

    def part(self, name: str) -> wiring.Component:
        """A new component of one of the :attr:`parts`.

        Raises ArchitectureError if the architecture is ``auto``.
        """
        return {DOT: self.component, LANE_PART: self.lane}[name]()

    def candidates(self) -> list[Self]:
        """The unit in every architecture that fits, if its own is ``auto``; else only the unit."""
        if self.architecture != AUTO:
            return [self]
        names = lane_architectures(self.weight, self.activation)
        return [replace(self, architecture=name) for name in names]
