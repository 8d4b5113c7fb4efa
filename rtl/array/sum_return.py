"""Return sums from the top of a column to its bottom, in a weight-stationary array."""

from typing import TYPE_CHECKING

from amaranth.hdl import Module, Signal, Value
from amaranth.lib.wiring import In, Out

from halfbyte.rtl.array.names import SUM_RETURN
from halfbyte.rtl.array.registers import move, moving_members
from halfbyte.rtl.exported import Exported

if TYPE_CHECKING:
    from halfbyte.rtl.array.weight_spec import WeightArraySpec

__all__ = ["SumReturn"]

_CONTROL = {"control": 2}


class SumReturn(Exported):
    """Pass the sums that leave a column at the top to its bottom, or start new sums there.

    A tile is one set of weights for all elements, and a token is a row of the layer's input matrix.
    A sum moves up through the column once for each tile. The column's elements and the registers of
    this component form a ring of ``depth`` registers, one for the sum of each token.

    Parameters
    ----------
    spec : :class:`WeightArraySpec`
        The specification of the array.

    Members
    -------
    control_in, control_out : ``In(2)``, ``Out(2)``
        ``[0] clear, [1] take`` from the column to the left, and a cycle later for the column to
        the right.
    top : ``In(result_bits)``
        The sum that leaves the topmost element.
    bottom : ``Out(result_bits)``
        The sum for the lowest element: ``top`` as it was depth - rows cycles before, or 0 in the
        cycle after ``clear``.
    valid : ``Out(1)``
        High in the cycle after ``take``: ``top`` is a result.
    """

    def __init__(self, spec: "WeightArraySpec") -> None:
        self.spec = spec
        super().__init__(
            {
                **moving_members(_CONTROL),
                "top": In(spec.result_bits),
                "bottom": Out(spec.result_bits),
                "valid": Out(1),
            }
        )

    def header(self) -> list[str]:
        return [f"{SUM_RETURN}: returns sums from the top of a column to its bottom"]

    def elaborate(self, platform: object) -> Module:
        m, bits = Module(), self.spec.result_bits
        move(m, self, _CONTROL)
        value: Value = self.top
        for stage in range(self.spec.steps - self.spec.rows):
            register = Signal(bits, name=f"return{stage}_register", reset_less=True)
            m.d.sync += register.eq(value)
            value = register
        keep = ~self.control_out[0]
        m.d.comb += [
            self.bottom.eq(value & keep.replicate(bits)),
            self.valid.eq(self.control_out[1]),
        ]
        return m
