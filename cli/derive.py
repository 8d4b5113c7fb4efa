"""``halfbyte derive``: make a format file from a distribution, for use by other commands."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer

from halfbyte.base import UserError, build_dir, write_atomically
from halfbyte.cli.options import Json
from halfbyte.cli.output import console, number, print_json, progress, say, table
from halfbyte.cli.records import DerivationRecord
from halfbyte.formats import Format, bundled, names
from halfbyte.formats.derivation import METHODS, Derivation, Errors
from halfbyte.formats.model import MAX_BITS, MIN_BITS, check_name
from halfbyte.formats.parse import parse_text
from halfbyte.formats.quantile import DISTRIBUTIONS, MAX_LUT_BITS, MIN_LUT_BITS

__all__ = ["derive"]

Distribution = Annotated[str, typer.Argument(help=f"{' or '.join(DISTRIBUTIONS)}.")]
Nu = Annotated[
    float | None,
    typer.Option(help="Degrees of freedom of student_t; SF4 has 5.", show_default=False),
]
Bits = Annotated[int, typer.Option(min=MIN_BITS, max=MAX_BITS, help="Bits of a code.")]
LutBits = Annotated[
    int,
    typer.Option(
        min=MIN_LUT_BITS, max=MAX_LUT_BITS, help="Bits of a value in hardware, including the sign."
    ),
]
Method = Annotated[
    str,
    typer.Option(help="quantile (as for SF4 and NF4), lloyd_max (least error), or entropy (least "
                 "error if codes are entropy-coded and their entropy is --entropy)."),
]  # fmt: skip
Block = Annotated[
    int,
    typer.Option(
        help="Number of elements that share a scale. The methods lloyd_max and entropy, and the "
        "printed errors, depend on it."
    ),
]
Entropy = Annotated[
    float | None,
    typer.Option(
        help="Bits per code for --method entropy; 0.5 less than --bits if not given.",
        show_default=False,
    ),
]
From = Annotated[
    str | None,
    typer.Option(
        "--from",
        metavar="MODEL",
        help="Take nu from a model: fit it to the weights of each layer, and use the median.",
        show_default=False,
    ),
]
Name = Annotated[
    str | None, typer.Option(help="Name of the format; made from the other options if not given.")
]
Output = Annotated[
    Path | None,
    typer.Option(
        "--output", "-o", help="The .yaml file; build/formats/NAME.yaml if not given.",
        show_default=False,
    ),
]  # fmt: skip


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
    """Derive a format from a distribution, write its file, and say how far it is from the
    optimum.
    """
    _check(distribution, nu, method, entropy, from_model, name)
    if from_model is not None:
        nu = _nu_of(from_model)
    bits_coded = bits - 0.5 if entropy is None else entropy
    derivation = Derivation(distribution, nu, bits, lut_bits, method, block, bits_coded)
    text = derivation.text(name or derivation.default_name)
    fmt = parse_text(text)
    path = output or build_dir() / "formats" / f"{fmt.name}.yaml"
    record = _record(derivation, fmt, path, from_model)
    write_atomically(path, text)
    if json:
        print_json([record])
        return
    _show(derivation, fmt)
    say(f"wrote {path}")


def _check(
    distribution: str,
    nu: float | None,
    method: str,
    entropy: float | None,
    model: str | None,
    name: str | None,
) -> None:
    """Raise UserError for wrong options, before a model is read."""
    if distribution not in DISTRIBUTIONS:
        raise UserError(
            f"Distribution must be {' or '.join(DISTRIBUTIONS)}, not {distribution[:60]!r}"
        )
    if method not in METHODS:
        raise UserError(f"Method must be one of {', '.join(METHODS)}, not {method[:60]!r}")
    if entropy is not None and method != "entropy":
        raise UserError("--entropy has no effect without --method entropy: leave it out")
    if nu is not None and model is not None:
        raise UserError("Give --nu or --from MODEL, not both")
    has_nu = nu is not None or model is not None
    if distribution == "student_t" and not has_nu:
        raise UserError("student_t needs --nu or --from MODEL")
    if distribution != "student_t" and has_nu:
        raise UserError(
            f"--nu and --from are for student_t, not for {distribution}: leave them out"
        )
    if name is not None and check_name(name) in names():
        raise UserError(f"{name} is the name of a shipped format; choose another name")


def _nu_of(model: str) -> float:
    """The median nu over the layers' weights, rounded to three digits."""
    from halfbyte.accuracy.models.reference import check_source

    check_source(model)
    from halfbyte.accuracy.profile import open_source, profile_model, typical_nu

    with progress(f"profile {model}") as update:
        found = typical_nu(profile_model(open_source(model), on_progress=update))
    return float(f"{found:.3g}")


def _record(derivation: Derivation, fmt: Format, path: Path, model: str | None) -> DerivationRecord:
    errors = derivation.errors(fmt)
    return DerivationRecord(
        format=fmt.name,
        file=str(path),
        distribution=derivation.distribution,
        nu=derivation.nu,
        from_=model,
        method=derivation.method,
        bits=derivation.bits,
        lut_bits=derivation.lut_bits,
        block=derivation.block,
        levels=tuple(derivation.levels.tolist()),
        values=tuple(map(str, fmt.values)),
        relative_mse=errors.relative_mse if errors else None,
        distance_db=errors.distance_db if errors else None,
        entropy=errors.entropy if errors else None,
    )


def _show(derivation: Derivation, fmt: Format) -> None:
    rows = [
        [str(code), f"{level:.6f}", str(value), f"{float(value):.6f}"]
        for code, (level, value) in enumerate(zip(derivation.levels, fmt.values, strict=True))
    ]
    caption = f"level: the value before it is rounded to {derivation.lut_bits} bits"
    caption += "" if 0 in fmt.values else "; no value is exactly 0"
    columns = [">code", ">level", f">in {derivation.lut_bits} bits", ">value"]
    table(fmt.title, columns, rows, caption)
    formats = [fmt, *(each for each in bundled() if each.bits == fmt.bits)]
    found = {each.name: errors for each in formats if (errors := derivation.errors(each))}
    if found:
        _show_errors(derivation, found)
    else:
        console.print(
            "errors are not known: Student's t has no finite variance if nu is at most 2, and here "
            f"nu is {derivation.nu:g}"
        )


def _show_errors(derivation: Derivation, found: Mapping[str, Errors]) -> None:
    rows = [
        [
            name,
            number(1e3 * errors.relative_mse, 3),
            number(errors.sqnr_db, 2),
            number(errors.distance_db, 2),
            number(errors.entropy, 2),
        ]
        for name, errors in sorted(found.items(), key=lambda each: (each[1].distance_db, each[0]))
    ]
    caption = (
        f"{derivation.parent}, blocks of {derivation.block}; distance: how far the SQNR is below "
        f"that of the best {2**derivation.bits} levels (Lloyd-Max); entropy: bits per code if "
        "codes are entropy-coded"
    )
    columns = ["format", ">relative MSE x 1e-3", ">SQNR dB", ">distance dB", ">entropy bits"]
    table("Errors", columns, rows, caption)
