"""``Recipe``: what is quantized, and how; a record that says everything."""

import dataclasses
import enum
import re
from dataclasses import dataclass

from halfbyte.base import Json, UserError, content_key
from halfbyte.formats import MAX_TERMS, Format, Ties, load
from halfbyte.golden.quantizer import DEFAULT_BLOCK, SupernormalSign
from halfbyte.golden.scales import ScaleFormat

__all__ = ["SEARCH", "Clipping", "Operand", "Recipe", "TieRule", "shown"]

SEARCH = "search"
MAX_TITLE_LENGTH = 200
UNQUANTIZED_BITS = 32.0  # FP32
_NAME = re.compile(r"[a-z][a-z0-9_]{0,39}")
_BLOCK_SUFFIX = re.compile(r"_(b[0-9]+|rows)$")


class Clipping(enum.Enum):
    """By what absmax is shrunk before it becomes a scale."""

    NONE = "none"
    """By nothing."""

    MSE_BLOCK = "mse_block"
    """By the ratio of 40 with the smallest squared error in the block."""

    MSE_LAYER = "mse_layer"
    """By the ratio of 40 with the smallest squared error in the layer (Dotzel et al., 2024)."""


class TieRule(enum.Enum):
    """Where a value that lies exactly between two values of the format goes."""

    FORMAT = "format"
    """As the format says."""

    PAPER = "paper"
    """Integers: to the even one; others: to the lower value (Dotzel et al., 2024)."""


def shown(value: object) -> str:
    """``value`` for an error message, cut to 60 characters."""
    try:
        return f"{value!r:.60}"
    except ValueError:  # integers of more than 4300 digits have no text
        return "a huge number"


@dataclass(frozen=True)
class Operand:
    """How weights, or activations, are quantized.

    Parameters
    ----------
    format : str, optional
        A format by name, such as ``int8``; None is the one that is evaluated.
    block : int, optional
        Elements that share a scale, 1 to 2^20; None is a whole row: a weight's output channel, an
        activation's token or pixel.
    scale_format : ScaleFormat
        The type of the scales.
    clip : Clipping
        How absmax is shrunk.
    supernormal_sign : SupernormalSign
        Whether a block may use the format mirrored.
    ties : TieRule
        Where midpoints go.
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
        """The format to round to, with this operand's rule for ties."""
        fmt = evaluated if self.format is None else load(self.format)
        if self.ties is TieRule.FORMAT:
            return fmt
        ties = Ties.EVEN if fmt.family == "integer" else Ties.DOWN
        return dataclasses.replace(fmt, ties=ties)

    def record(self) -> dict[str, Json]:
        """JSON-like; a format of its own is told apart by a digest of its values too."""
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


@dataclass(frozen=True)
class Recipe:
    """What is quantized, and how.

    Parameters
    ----------
    name : str
        Lower-case identifier of at most 40 letters.
    title : str
        The name that people read.
    weights, activations : Operand, optional
        None leaves them as they are.
    smooth : float or "search", optional
        SmoothQuant's alpha, 0 to 1, or the best of a grid for each layer.
    gptq : bool
        Whether weights are rounded one column after the other, later ones making up for the
        errors of earlier ones.
    source : str
        Where the recipe comes from.

    Raises
    ------
    UserError
        On construction, naming the key, with what is wanted and what came.
    """

    name: str
    title: str
    weights: Operand | None = None
    activations: Operand | None = None
    smooth: float | str | None = None
    gptq: bool = False
    source: str = ""

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not _NAME.fullmatch(self.name):
            raise UserError(
                "name must be a lower-case identifier of at most 40 letters, "
                f"not {shown(self.name)}"
            )
        for key in ("title", "source"):
            text = getattr(self, key)
            if not isinstance(text, str) or len(text) > MAX_TITLE_LENGTH:
                raise UserError(
                    f"{key} must be text of at most {MAX_TITLE_LENGTH} letters, not {shown(text)}"
                )
        if self.weights is None and self.activations is None:
            raise UserError("A recipe needs 'weights' or 'activations', or both")
        if self.activations is not None and self.activations.clip is not Clipping.NONE:
            raise UserError(
                "activations.clip must be none: their scales are those of the moment, "
                f"not {self.activations.clip.value}"
            )
        self._check_methods()

    def _check_methods(self) -> None:
        if type(self.gptq) is not bool:
            raise UserError(f"gptq must be true or false, not {shown(self.gptq)}")
        if self.gptq and self.weights is None:
            raise UserError("gptq needs 'weights'")
        if self.smooth is None or self.smooth == SEARCH:
            return
        if type(self.smooth) not in (int, float) or not 0 <= float(self.smooth) <= 1:
            raise UserError(
                f"smooth must be a number from 0 to 1, search or null, not {shown(self.smooth)}"
            )

    @property
    def needs_calibration(self) -> bool:
        """Whether the model must be run on calibration text first."""
        return self.gptq or self.smooth is not None

    def with_block(self, block: int | None) -> "Recipe":
        """This recipe with another block size, for weights and activations; None is a whole row.

        Name and title say so, unless nothing changes.
        """
        changed = {
            key: dataclasses.replace(operand, block=block)
            for key in ("weights", "activations")
            if (operand := getattr(self, key)) is not None and operand.block != block
        }
        if not changed:
            return self
        suffix, words = ("rows", "whole rows") if block is None else (f"b{block}", f"block {block}")
        return dataclasses.replace(
            self,
            name=f"{_BLOCK_SUFFIX.sub('', self.name)[:30]}_{suffix}",
            title=f"{self.title.split(' @ ')[0][:170]} @ {words}",
            **changed,
        )

    def record(self) -> dict[str, Json]:
        """Everything that the recipe says, JSON-like."""
        values = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        return {
            key: value.record() if isinstance(value, Operand) else value
            for key, value in values.items()
        }

    def bits_per_weight(self, fmt: Format) -> float:
        """Bits stored for a weight: its code and its share of the block's scale and sign.

        A scale for a whole row, or for a whole tensor, is not counted.
        """
        if self.weights is None:
            return UNQUANTIZED_BITS
        code = self.weights.format_of(fmt).bits
        if self.weights.block is None:
            return float(code)
        sign = int(self.weights.supernormal_sign is SupernormalSign.BLOCK)
        return code + (self.weights.scale_format.bits + sign) / self.weights.block
