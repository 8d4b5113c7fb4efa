"""The base class of all systolic arrays: a grid of elements, each wired to its neighbours.

An element is a dot-product unit with its registers.
"""

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from amaranth.hdl import Cat, ClockSignal, Instance, Module, Signal, Value
from amaranth.lib.wiring import In, Member, Out

from halfbyte.rtl.array.element import element_ports
from halfbyte.rtl.array.names import ELEMENT, UNIT
from halfbyte.rtl.array.registers import moving_ports
from halfbyte.rtl.export import to_verilog
from halfbyte.rtl.exported import Exported

if TYPE_CHECKING:
    from halfbyte.rtl.array.base import SystolicSpec

__all__ = ["ArrayGrid", "along_rows"]


def along_rows(name: str) -> bool:
    """Whether the data called ``name`` enters on the left and moves right, not down."""
    return not name.startswith("w")


class ArrayGrid(Exported):
    """The ports and the elements of a systolic array, and the delays of its rows and columns.

    Parameters
    ----------
    spec : :class:`SystolicSpec`
        The specification of the array.
    """

    NEEDS_CLOCK = True

    def __init__(self, spec: "SystolicSpec") -> None:
        self.spec = spec
        members: dict[str, Member] = {
            "a": In(spec.rows * spec.activation_bits),
            "w": In(spec.columns * spec.weight_bits),
            **{name: In(1) for name in spec.controls},
        }
        if spec.scale_bits:
            members["a_scale"] = In(spec.rows * spec.scale_bits)
            members["w_scale"] = In(spec.columns * spec.scale_bits)
        members["sums"] = Out(spec.columns * spec.result_bits)
        members["valid"] = Out(spec.columns)
        super().__init__(members)

    def verilog(self, name: str) -> str:
        """Verilog text of the array as module ``name``, and of the modules that it instantiates.

        Raises ArchitectureError if the architecture of the lanes is ``auto``.
        """
        parts: list[tuple[str, Exported]] = [
            (name, self),
            (ELEMENT, self.spec.element()),
            *self._others(),
            (UNIT, self.spec.element_unit.component()),
        ]
        return "\n".join(to_verilog(part, module) for module, part in parts)

    def _others(self) -> list[tuple[str, Exported]]:
        """Names and components of the modules that the array instantiates besides the element."""
        return []

    @abstractmethod
    def _row_delay(self, row: int) -> int:
        """The cycles by which the inputs of a row are delayed."""

    def _place_elements(
        self, m: Module, bottoms: Sequence[Mapping[str, Value]]
    ) -> list[Mapping[str, Value]]:
        """Place and connect all elements.

        ``bottoms`` has, for each column, the values of ``spec.rising_ports`` that enter it from
        below. Returns the values that leave each column at the top.
        """
        spec = self.spec
        ports, rising = moving_ports(spec), spec.rising_ports
        # The outputs of each element to its neighbours
        cells = {
            (row, column): {
                name: Signal(member.shape, name=f"{name}_{row}_{column}")
                for name, member in element_ports(spec).items()
                if member.flow == Out
            }
            for row in range(spec.rows)
            for column in range(spec.columns)
        }
        for (row, column), outputs in cells.items():
            inputs: dict[str, Value] = {}
            for name in ports:
                before = cells.get((row, column - 1) if along_rows(name) else (row - 1, column))
                edge = row if along_rows(name) else column
                inputs[name] = before[f"{name}_out"] if before else self._skewed(m, name, edge)
            below = cells.get((row + 1, column))
            for name in rising:
                inputs[name] = below[f"{name}_out"] if below else bottoms[column][name]
            m.submodules[f"element_{row}_{column}"] = Instance(
                ELEMENT,
                i_clk=ClockSignal(),
                **{f"i_{name}_in": value for name, value in inputs.items()},
                **{f"o_{name}": value for name, value in outputs.items()},
            )
        return [
            {name: cells[0, column][f"{name}_out"] for name in rising}
            for column in range(spec.columns)
        ]

    def _skewed(self, m: Module, name: str, place: int) -> Value:
        """The input ``name`` for row or column ``place``, after that row's or column's delay."""
        bits = moving_ports(self.spec)[name]
        if name == "control":
            value: Value = Cat(getattr(self, flag) for flag in self.spec.element_controls)
        else:
            value = getattr(self, name).word_select(place, bits)
        stages = self._row_delay(place) if along_rows(name) else place
        return delayed(m, value, stages, f"{name}_{place}")


def delayed(m: Module, value: Value, stages: int, name: str) -> Value:
    """``value``, delayed by ``stages`` cycles."""
    for stage in range(stages):
        register = Signal(len(value), name=f"{name}_delay{stage}", reset_less=True)
        m.d.sync += register.eq(value)
        value = register
    return value
