"""The hardware whose area is compared with accuracy: MACs, dot-product units, or arrays.

A lane of a dot-product unit computes one product per cycle. An array is a grid of such units. A
recipe says what is quantized in a model, and how.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated

import typer

from halfbyte.base import UserError
from halfbyte.cli.array import ARRAY, ArrayOptions, show_arrays
from halfbyte.cli.dot import DEFAULT_LANES, DOT, NO_SCALE, scale_rule, show_dots
from halfbyte.cli.output import progress
from halfbyte.cli.synth import show_areas
from halfbyte.formats import Format, ScaleCode, find_scale_code

if TYPE_CHECKING:
    from halfbyte.accuracy.recipes import Recipe
    from halfbyte.area.cells.technology import Technology
    from halfbyte.pareto.hardware import HardwareRecord
    from halfbyte.rtl import MacSpec
    from halfbyte.rtl.dot import DotSpec

__all__ = ["MAC", "Hardware", "HardwareUnit", "UnitBlock", "UnitLanes", "UnitRecipe"]

MAC = "mac"
HardwareUnit = Annotated[
    str | None,
    typer.Option(
        "--unit",
        help="The hardware in which formats are compared: mac, dot (dot-product unit) or array "
        "(of such units).",
        show_default=MAC,
    ),
]
UnitLanes = Annotated[
    int | None,
    typer.Option(
        "--lanes",
        help="Number of products that a unit computes per cycle.",
        show_default=f"{DEFAULT_LANES}, 1 in arrays",
    ),
]
UnitRecipe = Annotated[
    str | None,
    typer.Option(
        "--recipe",
        help="A recipe that `halfbyte recipes` lists, or a .yaml file. If the unit has scales, its "
        "blocks and scales replace those of the recipe.",
        show_default="w4, or w4a4 if the unit has scales",
    ),
]
UnitBlock = Annotated[
    str | None,
    typer.Option(
        "--block",
        metavar="N|channel",
        help="Number of elements that share a scale, in the unit and in the recipe; by default the "
        "number of lanes, or as in the recipe if the unit has no scales.",
        show_default=False,
    ),
]


@dataclass(frozen=True)
class Hardware:
    """The hardware that a command line asks for.

    Parameters
    ----------
    unit : str
        ``mac``, ``dot`` or ``array``.
    lanes : int, optional
        Number of products per cycle of a unit; by default 32, 1 in arrays.
    scale : str, optional
        Type of the blocks' scales.
    block : str, optional
        Number of elements that share a scale, or ``channel``. By default the number of lanes, or
        the recipe's block size if the unit has no scales.
    grid : ArrayOptions
        Size and dataflow of an array.

    Raises
    ------
    UserError
        The unit is unknown, or two options do not fit together.
    """

    unit: str = MAC
    lanes: int | None = None
    scale: str | None = None
    block: str | None = None
    grid: ArrayOptions = field(default_factory=ArrayOptions)

    def __post_init__(self) -> None:
        if self.unit not in (MAC, DOT, ARRAY):
            raise UserError(f"Unit must be {MAC}, {DOT} or {ARRAY}, not {self.unit[:60]!r}")
        if self.unit == MAC:
            for name in ("lanes", "scale"):
                if getattr(self, name) is not None:
                    raise UserError(
                        f"--{name} is for --unit dot or array, not for mac: leave it out"
                    )
        self.grid.check_unit(self.unit)
        if self.code and self.block and not self.block.isdecimal():
            raise UserError(
                f"--block of a unit with scales must be a number, not {self.block[:60]!r}"
            )

    @property
    def code(self) -> ScaleCode | None:
        """The type of the blocks' scales; None for a unit without scales."""
        if self.scale in (None, NO_SCALE):
            return None
        return find_scale_code(str(self.scale), optional=True)

    @property
    def recipe_name(self) -> str:
        """The name of the default recipe, which quantizes both operands if the unit has scales."""
        return "w4a4" if self.code else "w4"

    def recipe(self, name: str | None) -> "Recipe":
        """The recipe ``name``; for a unit with scales, with the unit's blocks and scales.

        If the recipe's scales already have the unit's type, the recipe's rule for choosing scales
        is kept.
        """
        from halfbyte.cli.evaluate import pick_recipe

        if not self.code:
            return pick_recipe(name or self.recipe_name, self.block)
        recipe = pick_recipe(name or self.recipe_name, None)
        operand = recipe.weights or recipe.activations
        assert operand is not None  # noqa: S101  (a recipe has one of them)
        scales = operand.scale_format
        if scales.code != self.code:
            scales = scale_rule(self.code)
        return recipe.with_scales(scales, self._block_size)

    @property
    def _lanes(self) -> int:
        if self.lanes is not None:
            return self.lanes
        return DEFAULT_LANES if self.unit == DOT else 1

    @property
    def _block_size(self) -> int:
        return int(self.block[:20]) if self.block else self._lanes

    @staticmethod
    def _macs(formats: Sequence[Format], operand: Format | None, terms: int) -> "list[MacSpec]":
        """The MAC of each format. Raises UserError if one cannot exist."""
        from halfbyte.rtl import MacSpec

        return [MacSpec(fmt, operand or fmt, "auto", terms) for fmt in formats]

    def _spec(self, fmt: Format, operand: Format | None, terms: int) -> "DotSpec":
        """The unit for a format. Raises UserError if the format does not fit."""
        from halfbyte.rtl.dot import Accumulator, DotSpec

        return DotSpec(
            fmt,
            operand or fmt,
            self._lanes,
            accumulator=Accumulator.FP32 if self.code else Accumulator.INTEGER,
            scale=self.code,
            block=self._block_size if self.code else None,
            terms=terms,
        )

    def fitting(
        self, formats: Sequence[Format], operand: Format | None, terms: int, *, strict: bool
    ) -> list[Format]:
        """The formats that fit the unit. Formats that do not fit are named on standard error.

        Raises UserError if no format fits, if ``strict`` is set and one does not fit, or if a MAC
        or the array cannot exist.
        """
        if self.unit == MAC:
            self._macs(formats, operand, terms)
            return list(formats)
        kept, reasons = [], []
        for fmt in formats:
            try:
                self._spec(fmt, operand, terms)
            except UserError as error:
                if strict:
                    raise
                reasons.append((fmt.name, error))
            else:
                kept.append(fmt)
        if not kept:
            raise UserError(
                f"No format fits the unit. {reasons[0][0]}: {reasons[0][1]}"
                if reasons
                else "No format is given"
            )
        if self.unit == ARRAY:
            self.grid.array(self._spec(kept[0], operand, terms))
        for name, reason in reasons:
            typer.echo(f"note: the format {name} is left out: {reason}", err=True)
        return kept

    def synthesize(
        self,
        formats: Sequence[Format],
        operand: Format | None,
        technology: "Technology",
        *,
        terms: int,
        jobs: int | None = None,
    ) -> "list[HardwareRecord]":
        """Synthesize the hardware for each format, with proofs and a progress bar."""
        from halfbyte.area import synthesize
        from halfbyte.area.search.arrays import synthesize_arrays
        from halfbyte.area.search.dot_units import synthesize_dots

        with progress(f"Area, {technology.name}") as update:
            if self.unit == MAC:
                macs = self._macs(formats, operand, terms)
                return [*synthesize(macs, technology, jobs=jobs, on_progress=update)]
            units = [self._spec(fmt, operand, terms) for fmt in formats]
            if self.unit == DOT:
                return [*synthesize_dots(units, technology, jobs=jobs, on_progress=update)]
            arrays = self.grid.arrays(units)
            return [*synthesize_arrays(arrays, technology, jobs=jobs, on_progress=update)]

    def show(self, records: "Sequence[HardwareRecord]") -> None:
        """Print the records of :meth:`synthesize` as a table."""
        show = {MAC: show_areas, DOT: show_dots, ARRAY: show_arrays}[self.unit]
        show(records)  # type: ignore[operator]
