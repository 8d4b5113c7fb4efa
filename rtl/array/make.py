"""Make the specification of a systolic array from the name of its dataflow."""

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
    """The specification of an array of ``rows`` x ``columns`` units.

    ``dataflow`` is ``output`` or ``weight`` (see :class:`Dataflow`). ``depth`` is a parameter of
    :class:`WeightArraySpec` and must be None for ``output``. Raises UserError for another dataflow.
    Raises TypeError or UserError for parameters that the specification does not allow.
    """
    if Dataflow.named(dataflow) is Dataflow.WEIGHT:
        return WeightArraySpec(unit, rows, columns, depth)
    if depth is not None:
        raise UserError(
            f"Only arrays with dataflow weight have a depth: leave out depth {depth!r:.60} for "
            f"dataflow {dataflow}"
        )
    return ArraySpec(unit, rows, columns)
