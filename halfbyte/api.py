"""The functions of the package ``halfbyte`` itself, for notebooks and short scripts.

A format is given by its name, by the path of its file, or as a :class:`Format`. An array is a
tensor, a NumPy array or a list. Results of measurements are typed records.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from halfbyte.formats import Format, Overflow
from halfbyte.formats import load as _load_format

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from numpy.typing import ArrayLike
    from pandas import DataFrame
    from torch import Tensor

    from halfbyte.accuracy.record import EvaluationRecord
    from halfbyte.area.search.proof_plan import ProofRecord
    from halfbyte.area.search.records import SynthesisRecord
    from halfbyte.base import Record
    from halfbyte.golden import Quantized
    from halfbyte.golden.scales import ScaleFormat
    from halfbyte.rtl import MacSpec
    from halfbyte.sim.records import ExportRecord, SimulationRecord

    FormatLike = Format | str | Path
    Unit = MacSpec | Format | str | Path

__all__ = [
    "decode",
    "encode",
    "evaluate",
    "export",
    "format_names",
    "gemm",
    "load",
    "mac",
    "mac_stream",
    "plot_frontier",
    "prove",
    "quantize",
    "records_to_frame",
    "simulate",
    "synthesize",
]


def load(reference: "FormatLike") -> Format:
    """The format with this name, or the format in this ``.yaml`` file.

    ``NAME@BITS`` is a format whose values are rounded to BITS bits, such as ``sf4@6``. A Format is
    returned unchanged. Raises UserError for an unknown name or an invalid file.
    """
    return reference if isinstance(reference, Format) else _load_format(reference)


def format_names() -> tuple[str, ...]:
    """Names of the shipped formats, in alphabetical order."""
    from halfbyte.formats import names

    return names()


def mac(
    weight: "FormatLike",
    activation: "FormatLike | None" = None,
    *,
    architecture: str = "auto",
    terms: int = 256,
    acc_width: int | None = None,
    overflow: Overflow | str = Overflow.WRAP,
    enable: bool = False,
    segment: int | None = None,
) -> "MacSpec":
    """The specification of a MAC; without ``activation``, both operands have the weight's format.

    The parameters are those of :class:`halfbyte.MacSpec`; ``overflow`` may also be the text
    ``wrap`` or ``saturate``. Raises UserError for an unknown format, a value out of range, or an
    architecture that cannot multiply these formats.
    """
    from halfbyte.rtl import MacSpec

    one = load(weight)
    other = one if activation is None else load(activation)
    rule = _overflow(overflow)
    return MacSpec(one, other, architecture, terms, acc_width, rule, enable, segment)


def encode(x: "ArrayLike | Tensor", fmt: "FormatLike") -> "Tensor":
    """The codes of the values nearest to ``x``; uint8, of the same shape."""
    from halfbyte import golden

    return golden.encode(_floats(x), load(fmt))


def decode(codes: "ArrayLike | Tensor", fmt: "FormatLike") -> "Tensor":
    """The values of ``codes``; float32, of the same shape."""
    import torch

    from halfbyte import golden

    return golden.decode(torch.as_tensor(codes, dtype=torch.uint8), load(fmt))


def quantize(
    x: "ArrayLike | Tensor",
    fmt: "FormatLike",
    *,
    scale_format: "ScaleFormat | str" = "fp32",
    **options: Any,
) -> "Quantized":
    """Quantize ``x`` in blocks along its last dimension; each block has its own scale.

    ``x`` is a tensor, an array or nested lists of numbers; integers become FP32.
    ``scale_format`` is the type of the scales: fp32, fp16, bf16, e4m3 (as in NVFP4), e8m0_floor (as
    in MXFP4) and others. The other options are those of :func:`halfbyte.golden.quantize`, such as
    ``block=32``. The result holds codes and scales; its method ``dequantize()`` returns the values.
    Raises UserError for an unknown type of scales.
    """
    from halfbyte import golden

    return golden.quantize(_floats(x), load(fmt), scale_format=_scales(scale_format), **options)


def gemm(a: "Quantized", w: "Quantized") -> "Tensor":
    """The product ``A W^T`` of two quantized matrices: (M, N) float32.

    ``a`` has the shape (M, K), and ``w`` has the shape (N, K).
    The order of the additions and their rounding are those of :func:`halfbyte.golden.gemm`.
    """
    from halfbyte import golden

    return golden.gemm(a, w)


def mac_stream(
    spec: "Unit",
    w_codes: "ArrayLike | Tensor",
    a_codes: "ArrayLike | Tensor",
    clear: "ArrayLike | Tensor",
    *,
    initial: int = 0,
) -> "Tensor":
    """The accumulator of a MAC after each of T cycles: (T,) int64.

    Its unit is the product of both formats' quanta. A format's quantum is the largest number that
    divides all its values.

    w_codes, a_codes: (T,) codes of the weights and activations. clear: (T,) booleans, true in the
    first cycle of a new sum. initial: the accumulator before the first cycle.
    """
    import torch

    from halfbyte import golden

    w, a = (torch.as_tensor(codes, dtype=torch.uint8) for codes in (w_codes, a_codes))
    begins = torch.as_tensor(clear, dtype=torch.bool)
    return golden.mac_stream(w, a, begins, initial=initial, **_spec(spec).arithmetic)


def synthesize(
    unit: "Unit",
    technology: str = "sky130hd",
    *,
    liberty: Sequence[Path | str] = (),
    clock: str | None = None,
    **options: Any,
) -> "SynthesisRecord":
    """Synthesize a MAC in several ways, and return the record of the smallest netlist.

    The record has area, delay, energy and, unless ``prove=False``, the result of the proof.

    Parameters
    ----------
    unit : MacSpec or format
        What to synthesize. A format stands for the MAC with both operands in this format.
    technology : str
        The name of a technology card: a file with the few cells of a library that synthesis uses.
    liberty : sequence of path
        Files of a full cell library, which replaces the card.
    clock : str, optional
        A clock period or frequency to meet: ``2ns``, ``500ps``, ``1.2GHz``.
    options
        Passed to :func:`halfbyte.area.synthesize`: ``effort``, ``prove``, ``jobs`` and others.
    """
    from halfbyte.area import from_liberty, load_technology
    from halfbyte.area import synthesize as run
    from halfbyte.area.timing.clocks import parse_clock

    cells = from_liberty(list(map(Path, liberty))) if liberty else load_technology(technology)
    period = parse_clock(clock) if clock else None
    return run([_spec(unit)], cells, clock_ps=period, **options)[0]


def simulate(unit: "Unit", **options: Any) -> "SimulationRecord":
    """Simulate a MAC's RTL and compare it with the golden model.

    The options are those of :func:`halfbyte.sim.run_regression`: ``simulator``, ``seed``,
    ``cycles`` and others. If the architecture is ``auto``, synthesis first finds the smallest one.
    Raises SimulationError if RTL and golden model differ.
    """
    from halfbyte.sim import run_regression

    return run_regression(_named(unit), **options)


def prove(
    unit: "Unit", technology: str = "sky130hd", *, jobs: int | None = None
) -> "list[ProofRecord]":
    """Prove that the RTL of a MAC and every netlist that synthesis tries for it are correct.

    The proofs hold for all codes and accumulator states. Faulty copies of each circuit must be
    refuted. Returns a record for each circuit. Raises ProofError, which lists the failures, if a
    proof fails or a faulty copy is not refuted.
    """
    from halfbyte.area import ProofError, load_technology
    from halfbyte.area.search.proof_plan import failures, prove_designs

    records = prove_designs([_spec(unit)], load_technology(technology), jobs=jobs)
    wrong = [line for record in records for line in failures(record)]
    if wrong:
        raise ProofError("\n".join(wrong))
    return records


def export(unit: "Unit", folder: Path | str, *, seed: int = 0) -> "ExportRecord":
    """Write a MAC as Verilog, with test vectors and a test bench, into ``folder``.

    If the architecture is ``auto``, synthesis first finds the smallest one.
    """
    from halfbyte.sim import export_mac

    return export_mac(_named(unit), Path(folder), seed=seed)


def evaluate(
    model: str,
    formats: "Sequence[FormatLike]",
    recipe: str = "w4",
    **source: Any,
) -> "list[EvaluationRecord]":
    """Quantize a model to each format and measure its quality, with 95 % confidence intervals.

    ``model`` is ``minilm`` (a sentence encoder), ``bytelm`` (a small byte-level language model),
    a model's folder, or its name on the Hugging Face hub.
    ``recipe`` says what is quantized in the model, and how: ``w4`` quantizes the weights only.
    The other options are those of :func:`halfbyte.accuracy.find_model`: ``text``, ``context``,
    ``tasks`` and others.
    """
    from halfbyte.accuracy import evaluate as run
    from halfbyte.accuracy import find_model
    from halfbyte.accuracy.recipes import load_recipe

    found = run(find_model(model, **source), [load(each) for each in formats], load_recipe(recipe))
    return [each.record for each in found]


def records_to_frame(records: "Sequence[Record]") -> "DataFrame":
    """The records as a pandas table, with a row for each record.

    The fields of a nested object become columns named ``field.name``. This needs pandas, which
    halfbyte does not install.
    """
    import pandas as pd

    return pd.json_normalize([record.as_json() for record in records])


def plot_frontier(
    areas: "Sequence[SynthesisRecord]", evaluations: "Sequence[EvaluationRecord]"
) -> "Figure":
    """Plot the area of MACs against the measured quality of their formats, with the frontier.

    The frontier joins the formats that no other format beats. A format beats another if it is at
    least as small and at least as good, and smaller or better. Formats without an area or without
    an evaluation are left out. Raises UserError if no format has both.
    """
    from halfbyte.base import UserError
    from halfbyte.base.figures import picture
    from halfbyte.pareto.claims import points_of
    from halfbyte.pareto.plot import draw_frontier
    from halfbyte.pareto.quality import measured_quality

    quality = measured_quality(evaluations)
    points = points_of({each.format: each for each in areas}, quality.values) if quality else []
    if quality is None or not points:
        raise UserError("A plot needs a format that has both an area and an evaluation; none has")
    looks = {point.format: _look(point.format) for point in points}
    with picture(7.0, 4.8, title="", caption="") as drawn:
        draw_frontier(
            drawn.figure.add_subplot(),
            points,
            titles={name: title for name, (title, _) in looks.items()},
            families={name: family for name, (_, family) in looks.items()},
            cost_label="MAC area, µm²",
            quality_label=quality.label,
            intervals=quality.intervals,
            is_loss=quality.is_loss,
        )
    return drawn.figure


def _look(name: str) -> tuple[str, str]:
    """The title and family of a format; its name and ``values`` if no file is known by the name."""
    from halfbyte.base import UserError

    try:
        fmt = _load_format(name)
    except UserError:
        return name, "values"
    return fmt.title, fmt.family


def _overflow(rule: Overflow | str) -> Overflow:
    """``rule`` as a member of Overflow. Raises UserError for an unknown name."""
    from halfbyte.base import UserError

    try:
        return Overflow(rule)
    except ValueError:
        raise UserError(f"Overflow must be wrap or saturate, not {str(rule)[:60]!r}") from None


def _scales(name: "ScaleFormat | str") -> "ScaleFormat":
    """``name`` as a member of ScaleFormat. Raises UserError for an unknown name."""
    from halfbyte.base import UserError
    from halfbyte.golden.scales import ScaleFormat

    try:
        return ScaleFormat(name)
    except ValueError:
        known = ", ".join(each.value for each in ScaleFormat)
        raise UserError(f"Scales must be one of {known}, not {str(name)[:60]!r}") from None


def _floats(x: "ArrayLike | Tensor") -> "Tensor":
    """``x`` as a floating-point tensor: integers become FP32, and floats keep their type."""
    import torch

    tensor = torch.as_tensor(x)
    return tensor if tensor.is_floating_point() else tensor.to(torch.float32)


def _spec(unit: "Unit") -> "MacSpec":
    """The specification of a MAC; a format stands for the MAC with both operands in this format."""
    from halfbyte.rtl import MacSpec

    return unit if isinstance(unit, MacSpec) else mac(unit)


def _named(unit: "Unit") -> "MacSpec":
    """The MAC, with the architecture ``auto`` replaced by that of the smallest MAC."""
    from dataclasses import replace

    spec = _spec(unit)
    if spec.architecture != "auto":
        return spec
    return replace(spec, architecture=synthesize(spec, prove=False).architecture)
