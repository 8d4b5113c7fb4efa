"""``ArraySpec``: an output-stationary systolic array, for RTL, simulation and synthesis."""

from collections.abc import Mapping
from dataclasses import dataclass

from halfbyte.rtl.array.base import SystolicSpec
from halfbyte.rtl.array.element import OutputElement
from halfbyte.rtl.array.names import Dataflow
from halfbyte.rtl.array.registers import ElementRegisters
from halfbyte.rtl.array.systolic import SystolicArray
from halfbyte.rtl.dot import DotSpec

__all__ = ["ArraySpec"]


@dataclass(frozen=True)
class ArraySpec(SystolicSpec):
    """An output-stationary systolic array. See :class:`halfbyte.rtl.array.SystolicArray`.

    The elements of a row share activations, and the elements of a column share weights. The
    parameters are those of :class:`SystolicSpec`.
    """

    DATAFLOW = Dataflow.OUTPUT

    @property
    def element_unit(self) -> DotSpec:
        return self.unit

    @property
    def controls(self) -> tuple[str, ...]:
        return self.element_controls

    @property
    def element_controls(self) -> tuple[str, ...]:
        return ("clear", "take", *(["last"] if self.unit.gathers else []))

    @property
    def rising_ports(self) -> Mapping[str, int]:
        return {"sum": self.result_bits, "valid": 1}

    @property
    def register_bits(self) -> int:
        moving = self.weight_bits + self.activation_bits + 2 * self.scale_bits + self.control_bits
        return moving + self.result_bits + 1

    @property
    def tile_inputs(self) -> int:
        return self.unit.lanes

    @property
    def tile_tokens(self) -> int:
        return self.rows

    @property
    def least_steps(self) -> int:
        """Fewest cycles from one ``take`` to the next. With fewer, two results may collide.

        ``take`` is the control input that sends the results out.
        """
        return 2 * self.rows - 1

    def cycles(self, inputs: int, outputs: int, tokens: int) -> int:
        steps = max(-(-inputs // self.tile_inputs), self.least_steps)
        tiles = -(-tokens // self.tile_tokens) * -(-outputs // self.columns)
        # The last result leaves 2 * rows + columns cycles after the last step.
        return tiles * steps + 2 * self.rows + self.columns

    @property
    def warm_up(self) -> int:
        # `valid` is known after 2 * rows + columns cycles; two more are a reserve.
        return 2 * self.rows + self.columns + 2

    @property
    def results_per_take(self) -> int:
        return self.rows

    def latency(self, number: int, column: int) -> int:
        # Result `number` is that of row `number`. SystolicArray's docstring gives this formula.
        return 2 + column + 2 * number

    def component(self) -> SystolicArray:
        return SystolicArray(self)

    def element(self) -> OutputElement:
        return OutputElement(self)

    def registers(self) -> ElementRegisters:
        return ElementRegisters(self)
