"""``--unit dfloat11`` and ``--unit bf16_mac``: what commands do for units that have no format.

DFloat11 compresses BF16 weights without loss. Each lane of its decoder decodes a different
part of the weights. A symbol is the coded part of one weight.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from halfbyte.base import ToolError, UserError, versions_of, write_atomically
from halfbyte.cli.array import ARRAY
from halfbyte.cli.dot import DOT
from halfbyte.cli.output import number, print_json, progress, table, versions_text
from halfbyte.cli.records import UnitFileRecord

if TYPE_CHECKING:
    from amaranth.lib import wiring

    from halfbyte.area.cells.technology import Technology
    from halfbyte.area.search.unit_records import Bf16MacRecord, DecoderRecord
    from halfbyte.pareto.records import LosslessRecord
    from halfbyte.sim.records import Bf16SimulationRecord, DecoderSimulationRecord

    UnitRecords = Bf16MacRecord | DecoderRecord | LosslessRecord

__all__ = [
    "MAC",
    "Codes",
    "DotLanes",
    "DotOrMac",
    "Lanes",
    "Symbols",
    "UnitName",
    "check_codes",
    "check_unit",
    "prove_unit",
    "rtl_unit",
    "show_lossless",
    "sim_unit",
    "synth_unit",
]

MAC = "mac"
_ENERGY_COLUMNS = (">energy fJ", "~>clock fJ", "~>leakage nW")
_CODES = ("table", "fixed")
_TABLES = {"table": "All lanes share the table.", "fixed": "Fixed codes: no table."}

UnitName = Annotated[
    str,
    typer.Option(
        "--unit",
        help="For formats: mac, dot (dot-product unit) or array (of such units). For BF16: "
        "dfloat11 (decoder of losslessly compressed weights) or bf16_mac.",
    ),
]
# The units, and the lanes, of commands that take only MACs and dot-product units.
DotOrMac = Annotated[str, typer.Option("--unit", help="mac, or dot (a dot-product unit).")]
DotLanes = Annotated[
    int | None,
    typer.Option("--lanes", help="Products per cycle of a dot-product unit.", show_default="32"),
]
Lanes = Annotated[
    int | None,
    typer.Option(
        help="Products per cycle of a dot-product unit, or lanes of the DFloat11 decoder.",
        show_default="32; 1 in arrays; 8 for the decoder",
    ),
]
DECODER_LANES = 8
Codes = Annotated[
    str,
    typer.Option(
        "--codes",
        help="The DFloat11 decoder's codes: table (loaded for each tensor), or fixed (one of eight "
        "built-in codes).",
    ),
]
Symbols = Annotated[
    int,
    typer.Option(help="Weights that each lane of the decoder for fixed codes decodes per cycle."),
]


def check_codes(codes: str, symbols: int = 1) -> bool:
    """Whether the decoder has fixed codes. Raises UserError for an impossible decoder."""
    from halfbyte.rtl.dfloat11.fixed.framing import check_symbols

    if codes not in _CODES:
        raise UserError(f"Codes must be {' or '.join(_CODES)}, not {codes[:60]!r}")
    check_symbols(symbols)
    if codes == "table" and symbols != 1:
        raise UserError(
            f"A lane with a table decodes 1 symbol a cycle, not {symbols}: add --codes fixed"
        )
    return codes == "fixed"


def check_unit(unit: str, names: Sequence[str] | None) -> bool:
    """Whether ``unit`` is a unit without formats. Raises UserError if formats are given for it."""
    if unit in (MAC, DOT, ARRAY):
        return False
    if names:
        raise UserError(f"Unit {unit} is for BF16 and takes no format: leave out {names[0][:60]!r}")
    return True


def _decoder_lanes(lanes: int | None) -> int:
    """The number of lanes of a decoder, by default 8. Raises UserError if it is out of range."""
    from halfbyte.rtl.dfloat11.decoder import check_lanes

    count = DECODER_LANES if lanes is None else lanes
    check_lanes(count)
    return count


def synth_unit(
    unit: str,
    technology: "Technology",
    lanes: int | None,
    codes: str,
    symbols: int,
    json: bool,
) -> None:
    """Synthesize the unit and print its areas."""
    from halfbyte.area.search.units import (
        synthesize_bf16_mac,
        synthesize_decoder,
        synthesize_fixed_decoder,
    )
    from halfbyte.pareto.lossless import lossless_record

    count, is_fixed = _decoder_lanes(lanes), check_codes(codes, symbols)
    mac = synthesize_bf16_mac(technology)
    if unit == "bf16_mac":
        print_json([mac]) if json else _show_mac(mac)
        return
    if is_fixed:
        decoder = synthesize_fixed_decoder(technology, lanes=count, symbols=symbols)
    else:
        decoder = synthesize_decoder(technology, lanes=count)
    both = lossless_record(mac, decoder)
    print_json([decoder, mac, both]) if json else _show_decoder(decoder, mac, both)


def prove_unit(
    unit: str,
    technology: "Technology",
    lanes: int | None,
    codes: str,
    symbols: int,
    json: bool,
) -> None:
    """Prove the unit and print what was proved. Raises ToolError if a proof fails."""
    from halfbyte.area.search import unit_proofs

    with progress(f"Proofs of {unit}, {technology.name}") as update:

        def on_case(name: str) -> None:
            update(0, 1, name)

        if unit == "bf16_mac":
            records = unit_proofs.prove_bf16(technology, on_case)
        elif check_codes(codes, symbols):
            records = unit_proofs.prove_fixed_decoder(technology, _decoder_lanes(lanes), symbols)
        else:
            records = unit_proofs.prove_decoder(technology, _decoder_lanes(lanes))
    if json:
        print_json(records)
    else:
        rows = [[each.part, each.status, each.claim, each.method] for each in records]
        table(f"Proofs of {unit}", ["part", "status", "claim", "how"], rows, technology.title)
    others = [each.part for each in records if each.status != "proved"]
    if others:
        raise ToolError(f"Proofs of {unit} that failed: {', '.join(others)}")


def _caption(record: "UnitRecords") -> str:
    """The beginning of a caption: technology, corner and versions of the tools."""
    versions = versions_text(record.versions)
    return f"{record.technology}, {record.corner}, no timing constraint; {versions}."


def _show_mac(record: "Bf16MacRecord") -> None:
    keys = ["area_um2", "area_ge", "multiplier_um2", "accumulator_um2", "register_um2", "delay_ps"]
    columns = [">area µm²", ">GE", ">product", ">accumulator", ">register", ">delay ps"]
    columns += [*_ENERGY_COLUMNS, "~>cells"]
    row = [
        *(number(getattr(record, key), 1) for key in keys),
        *_energies(record),
        number(record.cells),
    ]
    caption = (
        f"{_caption(record)} Energy: fJ per MAC with glitches, without leakage, on BF16 "
        f"values of minilm. {_netlists(record)}"
    )
    table("BF16 MAC, FP32 accumulation", columns, [row], caption)


def _energies(record: "UnitRecords") -> list[str]:
    """The entries of ``_ENERGY_COLUMNS``."""
    return [
        number(getattr(record, key), 1)
        for key in ("glitch_energy_fj", "clock_energy_fj", "leakage_nw")
    ]


def _netlists(record: "Bf16MacRecord | DecoderRecord") -> str:
    """Sentences on the result of the proof, and on what was not measured."""
    parts = [
        f"{name.replace('_', ' ')} {status}"
        for name, status in record.proof.as_json().items()
        if name.endswith("netlist") and status is not None  # fixed codes have no table
    ]
    missing = record.not_measured
    text = f"Equality with the RTL: {', '.join(parts)}."
    return f"{text} Not measured: {missing}." if missing else text


def _show_decoder(record: "DecoderRecord", mac: "Bf16MacRecord", both: "LosslessRecord") -> None:
    columns = [">lanes", ">area µm²", "~>GE", "~>table", "~>lane", ">per symbol", ">per bit"]
    columns += [">delay ps", *_ENERGY_COLUMNS, "~>symbols/cycle", "~>cells"]
    keys = ["area_um2", "area_ge", "table_um2", "lane_um2"]
    keys += ["um2_per_symbol", "um2_per_bit"]
    row = [
        str(record.lanes),
        *(number(getattr(record, key), 1) for key in keys),
        number(record.delay_ps, 1),
        *_energies(record),
        f"up to {record.symbols_per_cycle}",
        number(record.cells),
    ]
    share = record.um2_per_lane / mac.area_um2
    lane = "a lane with its share of the table" if record.table_um2 else "a lane"
    caption = (
        f"{_caption(record)} {_TABLES[record.codes]} Per symbol, per bit: area of {lane} divided "
        "by the weights, or by the bits of weights, that the lane decodes per cycle. The area of "
        f"{lane} is that of {share:.2f} BF16 MACs ({number(mac.area_um2, 1)} µm² each). A MAC "
        f"takes {number(both.area_um2, 1)} µm² with its share of a lane that {both.macs_per_lane} "
        "MACs use. Energy: fJ per weight of minilm with glitches, without leakage, while a lane "
        f"decodes. {_netlists(record)} Proof that decoding never hangs: "
        f"{record.proof.progress} ({record.proof.claim})."
    )
    table("DFloat11 decoder", columns, [row], caption)


def show_lossless(record: "LosslessRecord") -> None:
    """Print the record of a BF16 MAC with DFloat11 weights, with which formats are compared."""
    columns = [">area µm²", "~>GE", "~>decoder µm²", ">delay ps", *_ENERGY_COLUMNS]
    columns += [">bits per weight", ">loss", "proof"]
    keys = ["area_um2", "area_ge", "decoder_um2", "delay_ps"]
    row = [
        *(number(getattr(record, key), 1) for key in keys),
        *_energies(record),
        number(record.bits_per_weight, 2),
        f"{record.loss:g}",
        record.proof.status,
    ]
    caption = (
        f"{_caption(record)} For each MAC: a BF16 MAC with FP32 accumulation and 1/"
        f"{record.macs_per_lane} of a decoder lane. Loss: against the model in BF16. Proof: "
        "the netlists equal their RTL, and the decoder never hangs; `halfbyte prove --unit` "
        "proves the RTL."
    )
    missing = record.not_measured
    table(
        "BF16 with DFloat11: no loss",
        columns,
        [row],
        f"{caption} Not measured: {missing}." if missing else caption,
    )


def sim_unit(
    unit: str,
    lanes: int,
    codes: str,
    symbols: int,
    *,
    simulator: str,
    waves: bool,
    seed: int | None,
    json: bool,
) -> None:
    """Simulate the unit and print what was compared."""
    record: Bf16SimulationRecord | DecoderSimulationRecord
    if unit == "bf16_mac":
        from halfbyte.sim.bf16.regression import run_bf16_regression

        record, speed = run_bf16_regression(simulator=simulator, waves=waves, seed=seed), ""
    else:
        from halfbyte.sim.dfloat11.regression import run_decoder_regression, run_fixed_regression

        options: Any = {"lanes": lanes, "simulator": simulator, "waves": waves, "seed": seed}
        if check_codes(codes, symbols):
            record = run_fixed_regression(symbols=symbols, **options)
        else:
            record = run_decoder_regression(**options)
        speed = f"; lanes: {record.lanes}, measured symbols per cycle: {record.symbols_per_cycle}"
    if json:
        print_json([record])
        return
    rows = [[scenario, number(checks)] for scenario, checks in record.scenarios.items()]
    caption = (
        f"{record.simulator}, seed {record.seed}: {number(record.checks)} results agree, "
        f"none differs{speed}; {number(record.seconds)} s"
    )
    table(f"Simulation of {unit}", ["scenario", ">results"], rows, caption)
    if record.waves:
        typer.echo(f"waveform: {record.waves}")


def rtl_unit(
    unit: str, lanes: int | None, codes: str, symbols: int, folder: Path, json: bool
) -> None:
    """Write the unit as Verilog."""
    from halfbyte.rtl import to_verilog
    from halfbyte.rtl.bf16 import Bf16Mac
    from halfbyte.rtl.dfloat11 import MAX_LENGTH, ROWS, Decoder, check_decoder
    from halfbyte.rtl.dfloat11.fixed import FixedDecoder

    lanes = _decoder_lanes(lanes)
    check_decoder(lanes, ROWS, MAX_LENGTH)
    component: wiring.Component
    if unit == "bf16_mac":
        component, module = Bf16Mac(), unit
    elif check_codes(codes, symbols):
        component = FixedDecoder(lanes=lanes, symbols=symbols)
        module = f"dfloat11_fixed_{lanes}_lanes_{symbols}"
    else:
        component, module = Decoder(lanes=lanes), f"dfloat11_{lanes}_lanes"
    path = folder / f"{module}.v"
    write_atomically(path, to_verilog(component, module))
    record = UnitFileRecord(
        unit=unit,
        module=module,
        lanes=lanes if unit == "dfloat11" else None,
        verilog=str(path),
        versions=versions_of("halfbyte", "amaranth", "pyosys"),
    )
    if json:
        print_json([record])
    else:
        typer.echo(f"module {module}: {path}")
