"""The specification of a systolic array by the name of its dataflow."""

from halfbyte.base import UserError
from halfbyte.rtl.array.base import SystolicSpec
from halfbyte.rtl.array.names import Dataflow
from halfbyte.rtl.array.spec import ArraySpec
from halfbyte.rtl.array.weight_spec import WeightArraySpec
from halfbyte.rtl.dot import DotSpec

__all__ = ["make_array"]


def make_array(
    unit: DotSpec, rows: int, columns: int, dataflow: str = "output", depth: int | None = None
) -> SystolicSpec:
    """An array of ``rows`` x ``columns`` units.

    ``dataflow`` is the value of a :class:`Dataflow`; ``depth`` is for ``weight`` alone, see
    :class:`WeightArraySpec`. Raises TypeError and UserError as the specifications do, and UserError
    for another dataflow, or a depth without ``weight``.
    """
    if Dataflow.named(dataflow) is Dataflow.WEIGHT:
        return WeightArraySpec(unit, rows, columns, depth)
    if depth is not None:
        raise UserError("depth is for dataflow weight: leave it out")
    return ArraySpec(unit, rows, columns)
