"""``halfbyte pareto``: measure formats, and plot accuracy against area.

A recipe says what is quantized in the model, and how.
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from halfbyte.base import Record, UserError, build_dir
from halfbyte.base.results import keep_results
from halfbyte.cli.array import ARRAY, ArrayOptions
from halfbyte.cli.dot import DOT, Scale
from halfbyte.cli.evaluate import Context, TextSource, operand_of, show_evaluations
from halfbyte.cli.hardware import (
    MAC,
    Hardware,
    HardwareUnit,
    UnitBlock,
    UnitLanes,
    UnitRecipe,
)
from halfbyte.cli.look import PictureOptions, folder_of_run
from halfbyte.cli.options import (
    DEFAULT_TERMS,
    Activation,
    FormatNames,
    Jobs,
    Json,
    LibraryOptions,
    Terms,
    load_formats,
)
from halfbyte.cli.output import console, print_json, progress, say, table
from halfbyte.cli.units import show_lossless
from halfbyte.formats import Format, load

if TYPE_CHECKING:
    from halfbyte.accuracy import ModelReference
    from halfbyte.accuracy.recipes import Recipe
    from halfbyte.area.cells.technology import Technology
    from halfbyte.pareto.records import LosslessRecord
    from halfbyte.pareto.system import ArrayModel, ChipModel, Storage

__all__ = ["pareto"]

Output = Annotated[
    Path | None,
    typer.Option(
        "--output",
        "-o",
        help="Folder to write to; by default one in build/pareto that is named after the model, "
        "recipe, technology, and other inputs.",
        show_default=False,
    ),
]
Lossless = Annotated[
    bool | None,
    typer.Option(
        "--lossless/--no-lossless",
        help="Whether BF16 MACs with DFloat11 (lossless compression) are synthesized and plotted, "
        "too; by default only if no formats are given, and never for --unit dot.",
        show_default=False,
    ),
]
Model = Annotated[
    str,
    typer.Option(
        "--model", help="The model whose accuracy is plotted, named as for `halfbyte evaluate`."
    ),
]
AxisName = Annotated[
    str | None,
    typer.Option(
        "--axis",
        help="What the horizontal axis shows: mac_area, lane_area or unit_area (of a dot-product "
        "unit), array_area (per MAC, with buffers), chip_overhead (extra area of a whole chip "
        "relative to one with INT4; see --mac-share and --memory-share), energy, delay or bits "
        "(per weight, entropy-coded).",
        show_default="mac_area, lane_area or array_area, depending on the unit",
    ),
]
MacShare = Annotated[
    float | None,
    typer.Option(
        help="For --axis chip_overhead: share of MACs in the area of the chip with INT4; by "
        "default 0.1, as in Dotzel et al. (2024).",
        show_default=False,
    ),
]
MemoryShare = Annotated[
    float | None,
    typer.Option(
        help="For --axis chip_overhead: share of memory in the area of the chip with INT4; by "
        "default 0.6, as in Dotzel et al. (2024).",
        show_default=False,
    ),
]
Array = Annotated[
    Path | None,
    typer.Option(
        help="A .yaml file that describes the array and the layer for --unit array; by default "
        "64 x 64 units, and a layer of 4096 x 4096 weights.",
        show_default=False,
    ),
]
# SF4 with values of 6 bits is plotted beside the shipped formats. The shipped SF4 has values of
# 8 bits and needs a larger MAC.
EXTRA = ("sf4@6",)


def pareto(
    names: FormatNames = None,
    *,
    model: Model = "minilm",
    recipe: UnitRecipe = None,
    block: UnitBlock = None,
    text: TextSource = None,
    context: Context = None,
    library: LibraryOptions,
    activation: Activation = None,
    terms: Terms = DEFAULT_TERMS,
    unit: HardwareUnit = None,
    lanes: UnitLanes = None,
    scale: Scale = None,
    grid: ArrayOptions,
    lossless: Lossless = None,
    axis: AxisName = None,
    mac_share: MacShare = None,
    memory_share: MemoryShare = None,
    array: Array = None,
    output: Output = None,
    pictures: PictureOptions,
    jobs: Jobs = None,
    json: Json = False,
) -> None:
    """Measure the area of all formats, and their accuracy on a real model; plot both."""
    from halfbyte.accuracy import evaluate, find_model
    from halfbyte.pareto import (
        check_axis,
        default_axis,
        make_axis,
        measured_frontier,
        write_report,
    )
    from halfbyte.pareto.hardware import file_tag
    from halfbyte.pareto.page import write_page

    look = pictures.look()
    unit = unit or (ARRAY if axis == "array_area" else MAC)
    hardware = Hardware(unit, lanes, scale, block, grid)
    axis = axis or default_axis(unit)
    check_axis(axis, unit)
    for option, value, wanted in (
        ("--mac-share", mac_share, axis == "chip_overhead"),
        ("--memory-share", memory_share, axis == "chip_overhead"),
        ("--array", array, unit == ARRAY),
    ):
        if value is not None and not wanted:
            needed = "--unit array" if option == "--array" else "--axis chip_overhead"
            raise UserError(
                f"{option} has no effect without {needed}: add {needed}, or leave out {option}"
            )
    chip, system = _chip(mac_share, memory_share), _array(array, grid)
    if unit == ARRAY:
        hardware = replace(hardware, grid=_grid(system))
    technology = library.load()
    reference, quantizer = find_model(model, text=text, context=context), hardware.recipe(recipe)
    operand = operand_of(quantizer, activation)
    chosen = load_formats(names)
    if not names:
        chosen += [load(reference) for reference in EXTRA]
    chosen = hardware.fitting(chosen, operand, terms, strict=bool(names))
    if axis == "array_area":
        system.sram(technology)  # raises an error before the synthesis if no SRAM is known
    areas = hardware.synthesize(chosen, operand, technology, terms=terms, jobs=jobs)
    bits = _effective_bits(reference, quantizer, chosen) if axis == "bits" else None
    cost = make_axis(
        axis,
        chosen,
        areas,
        technology=technology,
        chip=chip,
        array=system,
        storage=_storage(quantizer),
        activation=operand,
        effective_bits=bits,
    )
    with progress(f"Accuracy, {reference.name}") as update:
        evaluations = evaluate(reference, chosen, quantizer, on_progress=update)
    accuracies = [each.record for each in evaluations]
    folder = output or folder_of_run(
        "pareto",
        model,
        file_tag(areas[0]),
        quantizer.name,
        technology.name,
        formats=names,
        activation=activation,
        terms=None if terms == DEFAULT_TERMS else terms,
        text=text,
        context=context,
        dont_use=library.dont_use,
        macs=mac_share,
        memory=memory_share,
        array=array,
    )
    wanted = unit != DOT and not names if lossless is None else lossless
    bf16 = _lossless(reference, technology) if wanted else None
    claims, written = write_report(chosen, areas, accuracies, folder, cost, bf16, look)
    listed: list[Record] = [*areas, *([bf16] if bf16 else []), *accuracies]
    results = [record.as_json() for record in listed]
    keep_results("pareto", results)
    page = write_page(folder / "report.html", results, build_dir() / "netlists")
    if json:
        print_json(results)
        return
    hardware.show(areas)
    if bf16:
        show_lossless(bf16)
    show_evaluations(evaluations)
    if claims:
        head = ["question", "paper", "here", "verdict"]
        answers = [[claim.question, claim.paper, claim.ours, claim.verdict] for claim in claims]
        table(
            "The paper's claims",
            head,
            answers,
            "paper: Dotzel et al., 2024; claims.md explains the verdicts",
        )
    best = ", ".join(measured_frontier(chosen, areas, accuracies, cost))
    least = f"from the least {cost.name.replace('_', ' ')}"
    console.print(f"on the Pareto frontier, {least}: {best or '-'}")
    say(f"wrote {', '.join(path.name for path in written)} in {folder}")
    say(f"open {page} in a browser to sort, filter and compare all results")


def _lossless(reference: "ModelReference", technology: "Technology") -> "LosslessRecord":
    """Synthesize a BF16 MAC and a DFloat11 decoder (fixed codes); measure the bits per weight."""
    from halfbyte.area.search.units import synthesize_bf16_mac, synthesize_fixed_decoder
    from halfbyte.checkpoints.dfloat11.entropy import tensor_entropies, total
    from halfbyte.pareto.lossless import SYMBOLS, lossless_record

    steps = 3
    with progress(f"BF16 with DFloat11, {technology.name}") as update:
        update(0, steps, "BF16 MAC")
        mac = synthesize_bf16_mac(technology)
        update(1, steps, "decoder")
        decoder = synthesize_fixed_decoder(technology, symbols=SYMBOLS)
        update(2, steps, "bits per weight")
        bits = total(tensor_entropies(reference.folder, codes="fixed")).coded_bits
        update(steps, steps, "")
    return lossless_record(mac, decoder, bits_per_weight=round(bits, 4))


def _array(path: Path | None, grid: ArrayOptions) -> "ArrayModel":
    """The array of a file, or the default one, with the size and dataflow that ``grid`` gives."""
    from halfbyte.pareto.system import ArrayModel, load_array

    model = load_array(path) if path else ArrayModel()
    return replace(
        model, **{name: value for name, value in vars(grid).items() if value is not None}
    )


def _grid(model: "ArrayModel") -> ArrayOptions:
    """The size and dataflow of the array."""
    return ArrayOptions(model.rows, model.columns, model.dataflow, model.depth)


def _storage(recipe: "Recipe") -> "Storage":
    """How buffers store values: in the blocks and scales of the recipe's weights."""
    from halfbyte.pareto.system import Storage

    if recipe.weights is None or recipe.weights.block is None:
        return Storage(block=None)
    return Storage(recipe.weights.block, recipe.weights.scale_format.bits)


def _effective_bits(
    reference: "ModelReference", recipe: "Recipe", formats: Sequence[Format]
) -> dict[str, float]:
    """Bits per weight of the model by format, with the blocks and scales of the recipe."""
    from halfbyte.checkpoints.dfloat11.entropy import effective_bits

    if recipe.weights is None or recipe.weights.block is None:
        raise UserError("--axis bits needs a recipe that quantizes weights in blocks")
    return effective_bits(
        reference.folder,
        formats,
        block=recipe.weights.block,
        scale_format=recipe.weights.scale_format,
    )


def _chip(mac_share: float | None, memory_share: float | None) -> "ChipModel":
    """The chip with the given shares of area, or with those of Dotzel et al. (2024)."""
    from halfbyte.pareto.paper import paper_chip
    from halfbyte.pareto.system import ChipModel

    paper = paper_chip()
    return ChipModel(
        paper.mac_share if mac_share is None else mac_share,
        paper.memory_share if memory_share is None else memory_share,
    )
