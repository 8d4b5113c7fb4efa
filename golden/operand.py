"""``Operand`` says how weights or activations are quantized: blocks, scales, clipping, ties.

*Absmax* is the largest magnitude in a block. The block's scale is computed from it.
"""

import dataclasses
import enum
from dataclasses import dataclass

from halfbyte.base import Json, UserError, content_key
from halfbyte.formats import MAX_TERMS, Format, Ties, load
from halfbyte.golden.quantizer import DEFAULT_BLOCK, SupernormalSign
from halfbyte.golden.scales import ScaleFormat

__all__ = ["Clipping", "Operand", "TieRule", "shown"]


class Clipping(enum.Enum):
    """How absmax is shrunk before it becomes a scale."""

    NONE = "none"
    """absmax is not shrunk."""

    MSE_BLOCK = "mse_block"
    """Each block's absmax is multiplied by the one of 40 ratios that gives the block the smallest
    squared error."""

    MSE_LAYER = "mse_layer"
    """The absmax of each block in a layer is multiplied by the same ratio, the one of 40 that gives
    the whole layer the smallest squared error (Dotzel et al., 2024)."""


class TieRule(enum.Enum):
    """How a value exactly half-way between two values of the format is rounded."""

    FORMAT = "format"
    """As the format says: to the lower value, or to the even code."""

    PAPER = "paper"
    """To the value with the even code in integer formats, to the lower value in all others (Dotzel
    et al., 2024)."""


def shown(value: object) -> str:
    """``value`` for an error message, truncated to 60 characters."""
    try:
        return f"{value!r:.60}"
    except ValueError:  # Python refuses to print integers of more than 4300 digits
        return "a huge number"


@dataclass(frozen=True)
class Operand:
    """How weights, or activations, are quantized.

    Parameters
    ----------
    format : str, optional
        A format by name, such as ``int8``; None means the format under evaluation.
    block : int, optional
        Number of elements that share a scale, 1 to 2^20. None means a whole row. A row of weights
        has all inputs of one output, in a convolution for one kernel position. A row of activations
        is a token or pixel.
    scale_format : ScaleFormat
        The type of the scales.
    clip : Clipping
        How absmax is shrunk.
    supernormal_sign : SupernormalSign
        Whether a block may use the format with all values negated. This changes the sign of the
        supernormal value, such as the +5 of E2M1+SP, which has no negative counterpart.
    ties : TieRule
        How midpoints are rounded.
    """

    format: str | None = None
    block: int | None = DEFAULT_BLOCK
    scale_format: ScaleFormat = ScaleFormat.FP32
    clip: Clipping = Clipping.NONE
    supernormal_sign: SupernormalSign = SupernormalSign.FIXED
    ties: TieRule = TieRule.FORMAT

    def __post_init__(self) -> None:
        if self.block is not None and (
            type(self.block) is not int or not 1 <= self.block <= MAX_TERMS
        ):
            raise UserError(
                f"block must be an integer from 1 to {MAX_TERMS}, or null for a whole row, "
                f"not {shown(self.block)}"
            )
        if self.format is not None:
            if not isinstance(self.format, str):
                raise UserError(f"format must be a format's name, not {shown(self.format)}")
            load(self.format)

    def format_of(self, evaluated: Format) -> Format:
        """The format to round to, with this operand's rule for ties.

        evaluated: the format under evaluation, used if the operand has no format of its own.
        """
        fmt = evaluated if self.format is None else load(self.format)
        if self.ties is TieRule.FORMAT:
            return fmt
        ties = Ties.EVEN if fmt.family == "integer" else Ties.DOWN
        return dataclasses.replace(fmt, ties=ties)

    def record(self) -> dict[str, Json]:
        """The fields as JSON; with a ``format``, also ``format_key``, a digest of its content."""
        values = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        plain = {
            key: value.value if isinstance(value, enum.Enum) else value
            for key, value in values.items()
        }
        if self.format is not None:
            fmt = load(self.format)
            numbers = [str(value) for value in fmt.values]
            plain["format_key"] = content_key({"values": numbers, "ties": fmt.ties.value})
        return plain
