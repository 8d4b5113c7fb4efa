"""``halfbyte derive``: a format file from a distribution, which every other command can load."""

import json as json_module
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from halfbyte.base import UserError, build_dir, write_atomically
from halfbyte.cli.options import Json
from halfbyte.cli.output import console, number, print_json, progress, table
from halfbyte.cli.records import DerivationRecord
from halfbyte.formats import Format, bundled, names
from halfbyte.formats.codebooks import (
    MIN_NU,
    block_distribution,
    code_entropy,
    distance_to_optimum_db,
    entropy_constrained,
    levels_of,
    lloyd_max,
    relative_mse,
)
from halfbyte.formats.model import MAX_BITS, MIN_BITS, check_name
from halfbyte.formats.parse import parse_text
from halfbyte.formats.quantile import (
    DISTRIBUTIONS,
    MAX_LUT_BITS,
    MIN_LUT_BITS,
    quantile_levels,
    round_to_grid,
)

__all__ = ["derive"]

_TITLES = {"quantile": "quantiles", "lloyd_max": "Lloyd-Max", "entropy": "entropy-constrained"}
_METHODS = {
    "quantile": "equally likely quantiles (Dotzel et al., 2024, Algorithm 1)",
    "lloyd_max": "least mean square error in blocks of {block} (Lloyd, 1982; Max, 1960)",
    "entropy": "least mean square error in blocks of {block} at {entropy:g} bits of entropy "
    "(Chou, Lookabaugh and Gray, 1989)",
}

Distribution = Annotated[str, typer.Argument(help=f"{' or '.join(DISTRIBUTIONS)}.")]
Nu = Annotated[
    float | None,
    typer.Option(help="Degrees of freedom of student_t; SF4 has 5.", show_default=False),
]
Bits = Annotated[int, typer.Option(min=MIN_BITS, max=MAX_BITS, help="Bits of a code.")]
LutBits = Annotated[
    int,
    typer.Option(min=MIN_LUT_BITS, max=MAX_LUT_BITS, help="Signed bits of a value in hardware."),
]
Method = Annotated[
    str,
    typer.Option(help="quantile (as SF4 and NF4), lloyd_max (least error) or entropy (least error "
                 "of codes that are stored entropy-coded)."),
]  # fmt: skip
Block = Annotated[
    int, typer.Option(help="Elements that share a scale, for errors and optimal codebooks.")
]
Entropy = Annotated[
    float | None,
    typer.Option(
        help="Bits a code for --method entropy; 0.5 less than --bits if not given.",
        show_default=False,
    ),
]
From = Annotated[
    str | None,
    typer.Option(
        "--from",
        metavar="MODEL",
        help="Take nu from a model: the median over its layers' weights.",
        show_default=False,
    ),
]
Name = Annotated[
    str | None, typer.Option(help="Name of the format; made from the rest if not given.")
]
Output = Annotated[
    Path | None,
    typer.Option(
        "--output", "-o", help="The .yaml file; build/formats/NAME.yaml if not given.",
        show_default=False,
    ),
]  # fmt: skip


@dataclass(frozen=True)
class _Recipe:
    """What a format is derived from; ``levels`` are exact, ascending, the highest one 1."""

    distribution: str
    nu: float | None
    bits: int
    lut_bits: int
    method: str
    block: int
    entropy: float

    @property
    def default_name(self) -> str:
        parts = [self.distribution]
        if self.nu is not None:
            parts.append(f"nu{self.nu:.6g}".replace(".", "_").replace("+", ""))
        parts += [self.method.removesuffix("_max")] * (self.method != "quantile")
        parts += [f"{self.bits}bit"] * (self.bits != 4)
        parts += [f"b{self.block}"] * (self.method != "quantile" and self.block != 128)
        parts += [f"lut{self.lut_bits}"] * (self.lut_bits != 8)
        return "_".join(parts)

    @property
    def title(self) -> str:
        parent = "normal" if self.nu is None else f"Student's t, nu {self.nu:g}"
        return f"{parent}, {_TITLES[self.method]}, {self.bits} bits"

    @property
    def source(self) -> str:
        method = _METHODS[self.method].format(block=self.block, entropy=self.entropy)
        return f"halfbyte derive {self.distribution}: {method}"

    def levels(self) -> np.ndarray:
        """(2^bits,) before they are rounded to the hardware's grid."""
        if self.method == "quantile":
            return quantile_levels(self.distribution, self.bits, self.nu)
        blocks = block_distribution(self.distribution, self.nu, self.block)
        count = 2**self.bits
        if self.method == "lloyd_max":
            return lloyd_max(blocks, count, pinned=True)
        levels = entropy_constrained(blocks, count, entropy=self.entropy, pinned=True).levels
        # Levels not worth their code were dropped; the codes left over repeat the highest one.
        return np.append(levels, np.ones(count - len(levels)))

    def text(self, name: str, levels: np.ndarray) -> str:
        """The format file."""
        lines = {"name": name, "title": _quoted(self.title)}
        if self.method == "quantile":
            lines |= {"family": "quantile", "distribution": self.distribution}
            lines |= {} if self.nu is None else {"nu": f"{self.nu:.10g}"}
            lines |= {"bits": str(self.bits), "lut_bits": str(self.lut_bits)}
        else:
            values = ", ".join(map(str, round_to_grid(levels, self.lut_bits)))
            lines |= {"bits": str(self.bits), "values": f"[{values}]"}
        lines |= {"ties": "down", "source": _quoted(self.source)}
        return "".join(f"{key}: {value}\n" for key, value in lines.items())


def derive(
    distribution: Distribution,
    nu: Nu = None,
    bits: Bits = 4,
    lut_bits: LutBits = 8,
    method: Method = "quantile",
    block: Block = 128,
    entropy: Entropy = None,
    from_model: From = None,
    name: Name = None,
    output: Output = None,
    json: Json = False,
) -> None:
    """Derive a format from a distribution, write its file, and say how far it is from the best."""
    _check(distribution, nu, method, entropy, from_model, name, output)
    if from_model is not None:
        nu = _nu_of(from_model)
    bits_coded = bits - 0.5 if entropy is None else entropy
    recipe = _Recipe(distribution, nu, bits, lut_bits, method, block, bits_coded)
    levels = recipe.levels()
    text = recipe.text(name or recipe.default_name, levels)
    fmt = parse_text(text)
    path = output or build_dir() / "formats" / f"{fmt.name}.yaml"
    record = _record(recipe, fmt, levels, path, from_model)
    write_atomically(path, text)
    if json:
        print_json([record])
        return
    _show(recipe, fmt, levels, record)
    console.print(f"wrote {path}", highlight=False)


def _check(
    distribution: str,
    nu: float | None,
    method: str,
    entropy: float | None,
    model: str | None,
    name: str | None,
    output: Path | None,
) -> None:
    """Everything that can be said before a model is read."""
    if distribution not in DISTRIBUTIONS:
        raise UserError(
            f"Distribution must be {' or '.join(DISTRIBUTIONS)}, not {distribution[:60]!r}"
        )
    if method not in _METHODS:
        raise UserError(f"Method must be {', '.join(_METHODS)}, not {method[:60]!r}")
    if entropy is not None and method != "entropy":
        raise UserError("--entropy belongs to --method entropy")
    if nu is not None and model is not None:
        raise UserError("Give --nu or --from MODEL, not both")
    if (distribution == "student_t") != (nu is not None or model is not None):
        raise UserError("student_t needs --nu or --from MODEL, and no other distribution has a nu")
    if name is not None and check_name(name) in names():
        raise UserError(f"{name} is the name of a shipped format; choose another")
    if output is not None and output.suffix not in (".yaml", ".yml"):
        raise UserError(f"The output must be a .yaml file, not {str(output)[:200]!r}")


def _nu_of(model: str) -> float:
    """The model's typical nu, to three digits: layers differ by far more."""
    from halfbyte.accuracy.profile import open_source, profile_model, typical_nu

    with progress(f"profile {model}") as update:
        found = typical_nu(profile_model(open_source(model), on_progress=update))
    return float(f"{found:.3g}")


def _record(
    recipe: _Recipe, fmt: Format, levels: np.ndarray, path: Path, model: str | None
) -> DerivationRecord:
    figures: dict[str, float | None] = dict.fromkeys(("relative_mse", "distance_db", "entropy"))
    if recipe.nu is None or recipe.nu >= MIN_NU:
        blocks = block_distribution(recipe.distribution, recipe.nu, recipe.block)
        figures = {
            "relative_mse": relative_mse(levels_of(fmt), blocks),
            "distance_db": _distance(fmt, recipe),
            "entropy": code_entropy(levels_of(fmt), blocks),
        }
    return DerivationRecord(
        format=fmt.name,
        file=str(path),
        distribution=recipe.distribution,
        nu=recipe.nu,
        from_=model,
        method=recipe.method,
        bits=recipe.bits,
        lut_bits=recipe.lut_bits,
        block=recipe.block,
        levels=tuple(levels.tolist()),
        values=tuple(map(str, fmt.values)),
        **figures,
    )


def _distance(fmt: Format, recipe: _Recipe) -> float:
    return distance_to_optimum_db(fmt, recipe.distribution, recipe.nu, recipe.block)


def _show(recipe: _Recipe, fmt: Format, levels: np.ndarray, record: DerivationRecord) -> None:
    rows = [
        [str(code), f"{level:.6f}", str(value), f"{float(value):.6f}"]
        for code, (level, value) in enumerate(zip(levels, fmt.values, strict=True))
    ]
    caption = "" if 0 in fmt.values else "no value is exactly 0"
    table(fmt.title, [">code", ">level", f">in {recipe.lut_bits} bits", ">value"], rows, caption)
    if record.relative_mse is None:
        console.print(
            f"no errors: Student's t has no variance up to nu = 2, and here nu is {recipe.nu:g}"
        )
        return
    _show_distances(recipe, [fmt, *(each for each in bundled() if each.bits == fmt.bits)])


def _show_distances(recipe: _Recipe, formats: Sequence[Format]) -> None:
    blocks = block_distribution(recipe.distribution, recipe.nu, recipe.block)
    found = sorted((_distance(fmt, recipe), fmt.name) for fmt in formats)
    by_name = {fmt.name: fmt for fmt in formats}
    rows = []
    for distance, name in found:
        levels = levels_of(by_name[name])
        error = relative_mse(levels, blocks)
        rows.append(
            [
                name,
                number(1e3 * error, 3),
                number(-10 * math.log10(error), 2),
                number(distance, 2),
                number(code_entropy(levels, blocks), 2),
            ]
        )
    parent = "normal" if recipe.nu is None else f"Student's t, nu {recipe.nu:g}"
    caption = (
        f"{parent}, blocks of {recipe.block}; distance: SQNR lost to the best {2**recipe.bits} "
        "levels there are (Lloyd-Max); entropy: bits a code if codes are entropy-coded"
    )
    columns = ["format", ">relative MSE x 1e-3", ">SQNR dB", ">distance dB", ">entropy bits"]
    table("Errors", columns, rows, caption)


def _quoted(text: str) -> str:
    """A YAML string in double quotes, which are those of JSON."""
    return json_module.dumps(text)
