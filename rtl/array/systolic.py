"""An output-stationary systolic array of dot-product units."""

from amaranth.hdl import Cat, Const, Module

from halfbyte.rtl.array.grid import ArrayGrid

__all__ = ["SystolicArray"]


class SystolicArray(ArrayGrid):
    """Element (r, c) computes the dot products of row r's activations and column c's weights.

    A step is one cycle of inputs: each row takes activations, and each column takes weights, as
    many as the unit of an element has lanes. Inside the array, row r is delayed by r cycles and
    column c by c cycles. Activations and weights move on by one element a cycle, so those of the
    same step meet in every element.

    ``take`` sends the results out. It must be high in the first step after the last step of a sum.
    This may be the first step of the next sum, with ``clear``. The result of row r and column c
    appears 2 + c + 2 * r cycles after ``take``, at ``sums``, while ``valid`` is high. From one
    ``take`` to the next there must be at least 2 * rows - 1 cycles.

    The array does not have a reset. At first ``valid`` is unknown. It is known after
    2 * rows + columns cycles in which ``take`` is low.

    Parameters
    ----------
    spec : :class:`ArraySpec`
        The specification of the array.

    Members
    -------
    a, a_scale : ``In(rows * ...)``
        Activation codes and scales, those of row 0 in the lowest bits.
    w, w_scale : ``In(columns * ...)``
        Weight codes and scales, those of column 0 in the lowest bits.
    clear, take, last : ``In(1)``
        ``clear`` starts new sums, ``take`` sends results out, and ``last`` ends a block. ``last``
        exists only for FP32 units whose blocks take several cycles.
    sums : ``Out(columns * result_bits)``
        A result of each column, that of column 0 in the lowest bits, as the unit gives it. If the
        accumulator is exact, the bit above each result is ``nan``.
    valid : ``Out(columns)``
        One bit for each column: high if ``sums`` has a result of that column.
    """

    def header(self) -> list[str]:
        spec = self.spec
        return [
            f"Systolic array, {spec.title}; at least {2 * spec.rows - 1} cycles from take to take",
            "the result of row r, column c is at sums 2 + c + 2 r cycles after take; valid is high",
        ]

    def elaborate(self, platform: object) -> Module:
        m, spec = Module(), self.spec
        nothing = {"sum": Const(0, spec.result_bits), "valid": Const(0, 1)}
        tops = self._place_elements(m, [nothing] * spec.columns)
        m.d.comb += [
            self.sums.eq(Cat(top["sum"] for top in tops)),
            self.valid.eq(Cat(top["valid"] for top in tops)),
        ]
        return m

    def _row_delay(self, row: int) -> int:
        return row
