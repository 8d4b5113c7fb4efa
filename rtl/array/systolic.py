"""An output-stationary systolic array of dot-product units."""

from typing import TYPE_CHECKING

from amaranth.hdl import Cat, ClockSignal, Const, Instance, Module, Signal, Value
from amaranth.lib.wiring import In, Member, Out

from halfbyte.rtl.array.element import Element, element_ports
from halfbyte.rtl.array.names import ELEMENT, UNIT
from halfbyte.rtl.array.registers import moving_ports
from halfbyte.rtl.export import to_verilog
from halfbyte.rtl.exported import Exported

if TYPE_CHECKING:
    from halfbyte.rtl.array.spec import ArraySpec

__all__ = ["SystolicArray"]

# These enter on the left and move to the right. The others enter at the top and move down.
_ALONG_ROWS = ("a", "a_scale", "control")


class SystolicArray(Exported):
    """Element (r, c) computes the dot products of row r's activations and column c's weights.

    Every cycle, each row takes the activations of one step and each column the weights. Inside, row
    r is delayed by r cycles and column c by c cycles. Both move on by one element a cycle. So the
    operands of one step meet in every element. A step takes as many products as a unit has lanes.

    ``take`` makes a result leave. It must be high in the first step after those of a sum; this may
    be the first step of the next sum (``clear``). The result of row r and column c then appears at
    ``sums`` 2 + c + 2 r cycles later, while ``valid`` is high. From one ``take`` to the next there
    must be at least 2 rows - 1 cycles.

    There is no reset. ``valid`` is unknown at first, until 2 rows + columns cycles without ``take``
    have passed.

    Parameters
    ----------
    spec : :class:`ArraySpec`
        The specification of the array.

    Members
    -------
    a, a_scale : ``In(rows * ...)``
        Activation codes and scales, row 0 lowest.
    w, w_scale : ``In(columns * ...)``
        Weight codes and scales, column 0 lowest.
    clear, take, last : ``In(1)``
        For all elements: start a new sum; send the results out; end a block (only where a block
        takes several cycles).
    sums : ``Out(columns * result_bits)``
        A result of each column, as the unit gives it. If the accumulator is exact, ``nan`` is the
        bit above it.
    valid : ``Out(columns)``
        High if ``sums`` has a result of the column.
    """

    def __init__(self, spec: "ArraySpec") -> None:
        self.spec = spec
        members: dict[str, Member] = {
            "a": In(spec.rows * spec.activation_bits),
            "w": In(spec.columns * spec.weight_bits),
            "clear": In(1),
            "take": In(1),
        }
        if spec.unit.gathers:
            members["last"] = In(1)
        if spec.scale_bits:
            members["a_scale"] = In(spec.rows * spec.scale_bits)
            members["w_scale"] = In(spec.columns * spec.scale_bits)
        members["sums"] = Out(spec.columns * spec.result_bits)
        members["valid"] = Out(spec.columns)
        super().__init__(members)

    def header(self) -> list[str]:
        spec = self.spec
        return [
            f"Systolic array, {spec.title}; {spec.least_steps} cycles at least between two takes",
            "row r of column c leaves 2 + c + 2 r cycles after take, at sums, while valid is high",
        ]

    def verilog(self, name: str) -> str:
        """Verilog of the array, module ``name``, with the modules of an element and its unit.

        Raises ArchitectureError if the architecture of the lanes is ``auto``.
        """
        parts = ((name, self), (ELEMENT, Element(self.spec)), (UNIT, self.spec.unit.component()))
        return "\n".join(to_verilog(part, module) for module, part in parts)

    def elaborate(self, platform: object) -> Module:
        m, spec = Module(), self.spec
        ports = moving_ports(spec)
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
                if name in _ALONG_ROWS:
                    before = cells.get((row, column - 1))
                    edge = row
                else:
                    before = cells.get((row - 1, column))
                    edge = column
                inputs[name] = before[f"{name}_out"] if before else self._skewed(m, name, edge)
            below = cells.get((row + 1, column))
            m.submodules[f"element_{row}_{column}"] = Instance(
                ELEMENT,
                i_clk=ClockSignal(),
                **{f"i_{name}_in": value for name, value in inputs.items()},
                i_sum_in=below["sum_out"] if below else Const(0, spec.result_bits),
                i_valid_in=below["valid_out"] if below else 0,
                **{f"o_{name}": value for name, value in outputs.items()},
            )
        tops = [cells[0, column] for column in range(spec.columns)]
        m.d.comb += [
            self.sums.eq(Cat(top["sum_out"] for top in tops)),
            self.valid.eq(Cat(top["valid_out"] for top in tops)),
        ]
        return m

    def _skewed(self, m: Module, name: str, place: int) -> Value:
        """The input of row or column ``place``, delayed by ``place`` cycles."""
        bits = moving_ports(self.spec)[name]
        if name == "control":
            flags = [self.clear, self.take, *([self.last] if self.spec.unit.gathers else [])]
            value: Value = Cat(*flags)
        else:
            value = getattr(self, name).word_select(place, bits)
        for stage in range(place):
            register = Signal(bits, name=f"{name}_{place}_delay{stage}", reset_less=True)
            m.d.sync += register.eq(value)
            value = register
        return value
