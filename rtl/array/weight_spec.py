"""``WeightArraySpec``: a weight-stationary systolic array, for RTL, simulation and synthesis."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from halfbyte.base import UserError
from halfbyte.rtl.array.base import Part, SystolicSpec
from halfbyte.rtl.array.element import WeightElement
from halfbyte.rtl.array.names import SUM_RETURN, TAKE_DELAY, Dataflow
from halfbyte.rtl.array.registers import DelayStage, moving_ports
from halfbyte.rtl.array.sum_return import SumReturn
from halfbyte.rtl.array.weight_registers import WeightRegisters, held_ports
from halfbyte.rtl.array.weight_stationary import WeightStationaryArray
from halfbyte.rtl.dot import DotSpec

__all__ = ["MAX_DEPTH", "WeightArraySpec", "least_depth"]

MAX_DEPTH = 4096


def least_depth(rows: int) -> int:
    """The default depth of an array: the least odd number of at least ``rows``."""
    return rows | 1


@dataclass(frozen=True)
class WeightArraySpec(SystolicSpec):
    """A weight-stationary systolic array. See :class:`halfbyte.rtl.array.WeightStationaryArray`.

    A dot product is spread over the rows of a column, and each column computes results of its own.
    A tile is one set of weights for all elements. A token is a row of the layer's input matrix.

    Parameters
    ----------
    unit, rows, columns
        The same as for :class:`SystolicSpec`.
    depth : int, optional
        The number of tokens whose sums are in a column at one time. The weights of a tile stay for
        as many cycles. It must be an odd number of at least ``rows``, or any number of at least
        ``2 * rows - 1``. With other numbers, the weights of two tiles would collide on their way
        down. More than 4096 is not allowed. Default: the least odd number of at least ``rows``.

    Raises
    ------
    TypeError
        The number of rows or columns, or the depth, is not an int.
    UserError
        One of these numbers is out of range, or an FP32 unit takes several cycles for a block.
    """

    depth: int | None = None
    DATAFLOW = Dataflow.WEIGHT

    def __post_init__(self) -> None:
        super().__post_init__()
        depth, rows = self.depth, self.rows
        self.element_unit  # noqa: B018, raises for a unit that cannot be chained
        if depth is None:
            return
        if isinstance(depth, bool) or not isinstance(depth, int):
            raise TypeError(f"depth must be an int, not {depth!r}")
        if depth > MAX_DEPTH:
            raise UserError(f"Depth must be at most {MAX_DEPTH}, not {depth}")
        if depth < rows or (depth < 2 * rows - 1 and depth % 2 == 0):
            least, free = least_depth(rows), 2 * rows - 1
            wanted = f"at least {least}"
            if free > least:
                wanted = f"an odd number of at least {least}, or at least {free}"
            raise UserError(
                f"With {rows} rows, depth must be {wanted}, not {depth}: the weights of two tiles "
                "would collide"
            )

    @property
    def steps(self) -> int:
        """Cycles for which a tile of weights stays; one token passes in each of them."""
        return self.depth or least_depth(self.rows)

    @property
    def element_unit(self) -> DotSpec:
        return replace(self.unit, chained=True)

    @property
    def controls(self) -> tuple[str, ...]:
        return ("load", "clear", "take")

    @property
    def element_controls(self) -> tuple[str, ...]:
        return ("load",)

    @property
    def rising_ports(self) -> Mapping[str, int]:
        return {"sum": self.result_bits}

    @property
    def register_bits(self) -> int:
        return sum(moving_ports(self).values()) + sum(held_ports(self).values())

    @property
    def parts(self) -> dict[str, Part]:
        return {
            **super().parts,
            SUM_RETURN: Part(partial(SumReturn, self), self.columns),
            TAKE_DELAY: Part(partial(DelayStage, ports={"take": 1}), self.rows),
        }

    @property
    def tile_inputs(self) -> int:
        return self.rows * self.unit.lanes

    @property
    def tile_tokens(self) -> int:
        return self.steps

    def cycles(self, inputs: int, outputs: int, tokens: int) -> int:
        down, across = -(-inputs // self.tile_inputs), -(-outputs // self.columns)
        tiles = down * across * -(-tokens // self.tile_tokens)
        # The first weights enter rows - 1 cycles before the first token, and the last result leaves
        # rows + columns cycles after the last token.
        return tiles * self.steps + 2 * self.rows + self.columns - 1

    @property
    def weight_cycles(self) -> int:
        return self.steps

    @property
    def warm_up(self) -> int:
        # `valid` is known after rows + columns + 1 cycles; one more is a reserve.
        return self.rows + self.columns + 2

    @property
    def results_per_take(self) -> int:
        return 1

    def latency(self, number: int, column: int) -> int:
        return self.rows + 1 + column

    @property
    def name(self) -> str:
        return f"{super().name}_weight_depth{self.steps}"

    @property
    def title(self) -> str:
        return f"{super().title}, weight-stationary"

    @property
    def fields(self) -> dict[str, Any]:
        return {**super().fields, "depth": self.steps}

    def component(self) -> WeightStationaryArray:
        return WeightStationaryArray(self)

    def element(self) -> WeightElement:
        return WeightElement(self)

    def registers(self) -> WeightRegisters:
        return WeightRegisters(self)
