"""A weight-stationary systolic array of dot-product units."""

from typing import TYPE_CHECKING

from amaranth.hdl import Cat, ClockSignal, Instance, Module, Signal, Value

from halfbyte.rtl.array.grid import ArrayGrid, delayed
from halfbyte.rtl.array.names import SUM_RETURN
from halfbyte.rtl.array.sum_return import SumReturn
from halfbyte.rtl.exported import Exported

if TYPE_CHECKING:
    from halfbyte.rtl.array.weight_spec import WeightArraySpec

__all__ = ["WeightStationaryArray"]


class WeightStationaryArray(ArrayGrid):
    """Each element keeps weights, and adds products to the sums that move up through its column.

    A *tile* is one set of weights for all elements. It stays for ``depth`` cycles, in which
    ``depth`` tokens (rows of the layer's input matrix) pass. In each cycle, a row takes those
    activations of a token that meet the weights of the row. Inside the array, row r is delayed by
    rows - 1 - r cycles, so that a sum starts in the lowest row and meets its own token in every
    row. Column c is delayed by c cycles.

    A sum that leaves the top returns to the bottom for the next tile. It arrives there ``depth``
    cycles after its start, when its token comes again. So products are added in the order of the
    inputs, beginning with the lowest row, as in an output-stationary array.

    ``load`` must be high with the first token of a tile. It makes each element take the weights
    that reach the element in the same cycle. The weights of row r enter rows - 1 - 2 * r cycles
    after ``load``; if this number is negative, they enter before ``load``. So weights enter in
    every second cycle, those of the lowest row first, while the previous tile is in use.

    ``clear`` must be high with all tokens of the first tile of a sum, and ``take`` with all tokens
    of its last tile. The result of column c appears rows + 1 + c cycles after ``take``, at
    ``sums``, while ``valid`` is high. The array does not have a reset. At first ``valid`` is
    unknown. It is known after rows + columns + 1 cycles in which ``take`` is low.

    Parameters
    ----------
    spec : :class:`WeightArraySpec`
        The specification of the array.

    Members
    -------
    a, a_scale : ``In(rows * ...)``
        Activation codes and scales, those of row 0 in the lowest bits.
    w, w_scale : ``In(columns * ...)``
        Weight codes and scales, those of column 0 in the lowest bits.
    load, clear, take : ``In(1)``
        ``load`` makes elements take weights, ``clear`` starts new sums, ``take`` marks results.
    sums : ``Out(columns * result_bits)``
        A sum of each column, that of column 0 in the lowest bits, as the unit gives it. If the
        accumulator is exact, the bit above each sum is ``nan``.
    valid : ``Out(columns)``
        One bit for each column: high if ``sums`` has a result of that column.
    """

    spec: "WeightArraySpec"

    def header(self) -> list[str]:
        spec = self.spec
        return [
            f"Systolic array, {spec.title}; a tile of weights stays for {spec.steps} cycles",
            f"the weights of row r enter {spec.rows - 1} - 2 r cycles after load",
            f"column c has a result {spec.rows + 1} + c cycles after take, at sums, while valid is "
            "high",
        ]

    def elaborate(self, platform: object) -> Module:
        m, spec = Module(), self.spec
        bottoms = [
            Signal(spec.result_bits, name=f"bottom_{column}") for column in range(spec.columns)
        ]
        tops = self._place_elements(m, [{"sum": bottom} for bottom in bottoms])
        valid = Signal(spec.columns)
        control: Value = Cat(self.clear, delayed(m, self.take, spec.rows, "take"))
        for column, (top, bottom) in enumerate(zip(tops, bottoms, strict=True)):
            passed = Signal(2, name=f"control_{column}")
            m.submodules[f"return_{column}"] = Instance(
                SUM_RETURN,
                i_clk=ClockSignal(),
                i_control_in=control,
                o_control_out=passed,
                i_top=top["sum"],
                o_bottom=bottom,
                o_valid=valid[column],
            )
            control = passed
        m.d.comb += [self.sums.eq(Cat(top["sum"] for top in tops)), self.valid.eq(valid)]
        return m

    def _others(self) -> list[tuple[str, Exported]]:
        return [(SUM_RETURN, SumReturn(self.spec))]

    def _row_delay(self, row: int) -> int:
        return self.spec.rows - 1 - row
