"""``Recipe``: what is quantized in a model, and how."""

import dataclasses
import re
from dataclasses import dataclass
from typing import Any

from halfbyte.base import Json, UserError
from halfbyte.formats import Format
from halfbyte.golden.operand import Clipping, Operand, shown
from halfbyte.golden.quantizer import SupernormalSign
from halfbyte.golden.scales import ScaleFormat

__all__ = ["SEARCH", "Recipe"]

SEARCH = "search"
MAX_TITLE_LENGTH = 200
UNQUANTIZED_BITS = 32.0  # FP32
MAX_NAME_LENGTH = 40
_NAME = re.compile(r"[a-z][a-z0-9_]{0,39}")
_SCALES = "|".join(scales.value for scales in ScaleFormat)
_SUFFIX = re.compile(rf"(_({_SCALES}))?_(b[0-9]+|rows)$")


@dataclass(frozen=True)
class Recipe:
    """What is quantized in a model, and how.

    Parameters
    ----------
    name : str
        A lower-case letter, then at most 39 lower-case letters, digits or underscores.
    title : str
        The name that people read.
    weights, activations : Operand, optional
        How weights and activations are quantized; None for those that stay as they are.
    smooth : float or "search", optional
        SmoothQuant's alpha, 0 to 1: how much of activations' outliers moves into weights.
        ``search`` tries several alphas, and no smoothing, and uses what is best in each layer.
        By default, nothing is smoothed.
    gptq : bool
        Whether weights are rounded by GPTQ: one column after the other, so that later columns
        correct errors of earlier ones.
    source : str
        Where the recipe comes from.

    Raises
    ------
    UserError
        A parameter is wrong. The message names the key, what is wanted, and what was given.
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
                "name must be a lower-case letter, then at most 39 lower-case letters, digits or "
                f"underscores, not {shown(self.name)}"
            )
        for key in ("title", "source"):
            text = getattr(self, key)
            if not isinstance(text, str) or len(text) > MAX_TITLE_LENGTH:
                raise UserError(
                    f"{key} must be text of at most {MAX_TITLE_LENGTH} characters, not "
                    f"{shown(text)}"
                )
        if self.weights is None and self.activations is None:
            raise UserError("A recipe needs 'weights' or 'activations', or both")
        if self.activations is not None and self.activations.clip is not Clipping.NONE:
            raise UserError(
                f"activations.clip must be none, not {self.activations.clip.value}: the scales of "
                "activations are computed in each call"
            )
        self._check_methods()

    def _check_methods(self) -> None:
        if type(self.gptq) is not bool:
            raise UserError(f"gptq must be true or false, not {shown(self.gptq)}")
        if self.gptq and self.weights is None:
            raise UserError("gptq must be false in a recipe without 'weights', not true")
        if self.smooth is None or self.smooth == SEARCH:
            return
        if type(self.smooth) not in (int, float) or not 0 <= float(self.smooth) <= 1:
            raise UserError(
                f"smooth must be a number from 0 to 1, 'search' or null, not {shown(self.smooth)}"
            )

    @property
    def needs_calibration(self) -> bool:
        """Whether the model must be run on calibration text first."""
        return self.gptq or self.smooth is not None

    def with_block(self, block: int | None) -> "Recipe":
        """This recipe with another block size, for weights and activations; None is a whole row.

        If this changes the recipe, the new name and title state the block size.
        """
        return self._changed(block=block)

    def with_scales(self, scale_format: ScaleFormat, block: int) -> "Recipe":
        """This recipe with another scale format and block size, for weights and activations.

        If this changes the recipe, the new name and title state both.
        """
        return self._changed(block=block, scale_format=scale_format)

    def _changed(self, **changes: Any) -> "Recipe":
        """This recipe with changed operands. The name and title of a new recipe state them."""
        operands = {
            key: dataclasses.replace(operand, **changes)
            for key in ("weights", "activations")
            if (operand := getattr(self, key)) is not None
        }
        if all(getattr(self, key) == operand for key, operand in operands.items()):
            return self
        block, scales = changes["block"], changes.get("scale_format")
        suffix, words = ("rows", "whole rows") if block is None else (f"b{block}", f"block {block}")
        if scales is not None:
            suffix, words = f"{scales.value}_{suffix}", f"{words}, scales {scales.value}"
        name = _SUFFIX.sub("", self.name)[: MAX_NAME_LENGTH - 1 - len(suffix)]
        title = self.title.split(" @ ")[0][: MAX_TITLE_LENGTH - 3 - len(words)]
        return dataclasses.replace(
            self, name=f"{name}_{suffix}", title=f"{title} @ {words}", **operands
        )

    def record(self) -> dict[str, Json]:
        """The whole recipe as a JSON object."""
        values = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        return {
            key: value.record() if isinstance(value, Operand) else value
            for key, value in values.items()
        }

    def bits_per_weight(self, fmt: Format, inputs: int | None = None) -> float:
        """Bits stored for a weight: its code and its share of the block's scale.

        A block that may negate the values of the format also stores a sign bit. If the recipe does
        not quantize weights, the result is 32, as for FP32.

        ``inputs`` is the length of a row. The last block of a row may be shorter than the others.
        Scales of whole rows and of whole tensors are not counted.
        """
        if self.weights is None:
            return UNQUANTIZED_BITS
        code, block = self.weights.format_of(fmt).bits, self.weights.block
        if block is None:
            return float(code)
        sign = int(self.weights.supernormal_sign is SupernormalSign.BLOCK)
        share = 1 / block if not inputs else -(-inputs // block) / inputs
        return code + (self.weights.scale_format.bits + sign) * share
