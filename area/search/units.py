"""Synthesis of the units for BF16: the DFloat11 decoders and the BF16 MAC.

A decoder turns compressed weights back into BF16. It consists of lanes, each of which decodes a
stream of its own. These units use the same technologies and Yosys script as the 4-bit MACs, with
the quick recipe (a short sequence of synthesis steps, for area). Their records have the fields that
all records share, and some fields of their own.
"""

from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, TypedDict, TypeVar

from amaranth.lib import wiring

from halfbyte.area.cells.technology import Technology
from halfbyte.area.netlists.netlist import read_netlist
from halfbyte.area.proofs.mac import PROVED, UNDECIDED
from halfbyte.area.proofs.progress import prove_progress
from halfbyte.area.proofs.registers import prove_unit
from halfbyte.area.proofs.results import UnitProof
from halfbyte.area.search.run_folder import run_folder
from halfbyte.area.search.unit_records import (
    Bf16MacProof,
    Bf16MacRecord,
    DecoderProof,
    DecoderRecord,
    UnitFigures,
    UnitPart,
)
from halfbyte.area.synthesis.recipes import QUICK
from halfbyte.area.synthesis.yosys import synthesize_rtlil
from halfbyte.area.timing.delay import analyse_timing
from halfbyte.area.timing.operands import load_operands, shipped_operands
from halfbyte.area.timing.packets import load_fixed_packets, load_packets
from halfbyte.area.timing.unit_energy import (
    DecoderEnergy,
    MacEnergy,
    measure_decoder,
    measure_fixed,
    measure_mac,
)
from halfbyte.base import (
    Record,
    RecordError,
    RecordStore,
    UserError,
    build_dir,
    code_fingerprint,
    content_key,
    versions_of,
)
from halfbyte.rtl import to_rtlil
from halfbyte.rtl.bf16 import Bf16Mac
from halfbyte.rtl.bf16.product import Product
from halfbyte.rtl.dfloat11 import MAX_LENGTH, ROWS, Lane, Loader, check_decoder
from halfbyte.rtl.dfloat11.decoder import check_lanes
from halfbyte.rtl.dfloat11.fixed import FixedLane

__all__ = [
    "WEIGHT_BITS",
    "stored",
    "synthesize_bf16_mac",
    "synthesize_decoder",
    "synthesize_fixed_decoder",
]

_Stored = TypeVar("_Stored", bound=Record)

WEIGHT_BITS = 16  # width of a decoded weight
_FP32_BITS = 32
_TOP = "unit"
_VERSIONED = ("amaranth", "pyosys", "python-sat")
_NO_PACKETS = (
    f"energy is measured only for a table of {ROWS} rows and codes of at most {MAX_LENGTH} bits"
)


def stored(kind: type[_Stored], key: str, compute: Callable[[], _Stored]) -> _Stored:
    """The result of type ``kind`` stored under ``key``; if missing, it is computed and stored."""
    store = RecordStore(build_dir() / "records" / "units.jsonl")
    try:
        return kind.from_json(store.get(key))
    except RecordError:
        found = compute()
        store.append(key, found.as_json())
        return found


def _synthesized(
    components: Mapping[str, wiring.Component],
    technology: Technology,
    measure: Callable[[Path], DecoderEnergy | MacEnergy | None],
    inputs: str,
) -> UnitFigures:
    """Synthesize each component, find its delay, prove its netlist correct, and measure energies.

    Returns the components' results by name, and what ``measure`` returns. ``measure`` gets the
    folder that has each component's netlist as ``NAME/netlist.json``. ``inputs`` is a hash of the
    data on which ``measure`` measures. The folder of a failed run is kept under ``build/failed``.
    """
    rtlil = {name: to_rtlil(component, _TOP) for name, component in components.items()}

    def compute() -> UnitFigures:
        with run_folder() as folder:
            parts = {
                name: UnitPart(
                    **asdict(synthesize_rtlil(rtlil[name], technology, QUICK, folder / name, _TOP)),
                    delay_ps=_delay(folder / name / "netlist.json", technology),
                    proof=prove_unit(component, folder / name, _TOP, technology.cells),
                )
                for name, component in components.items()
            }
            return UnitFigures(parts=parts, measured=measure(folder))

    versions = versions_of(*_VERSIONED)
    code = code_fingerprint(__name__)
    key = content_key([rtlil, technology.content_hash, QUICK.abc, code, versions, inputs])
    return stored(UnitFigures, key, compute)


def _delay(netlist: Path, technology: Technology) -> float | None:
    """The least clock period in ps; None if the technology has no timing tables."""
    try:
        return analyse_timing(read_netlist(netlist, technology.cells, _TOP), technology).delay_ps
    except UserError:
        return None


class _Summary(TypedDict):
    """The fields of a record that summarize the proofs of several parts."""

    status: str
    method: str
    seconds: float


def _summary(**parts: UnitProof) -> _Summary:
    """The status, methods and total time of the proofs of a unit's parts, given by name."""
    decided = all(part.status == PROVED for part in parts.values())
    return {
        "status": PROVED if decided else UNDECIDED,
        "method": "; ".join(f"{name}: {part.method}" for name, part in parts.items()),
        "seconds": round(sum(part.seconds for part in parts.values()), 3),
    }


def _versions(technology: Technology) -> dict[str, str | None]:
    """The versions of the tools, and under ``card`` a digest of the technology's cells."""
    return {**versions_of("halfbyte", *_VERSIONED), "card": technology.content_hash[:12]}


def _slowest(*parts: UnitPart) -> float | None:
    """The delay of the slowest part in ps; None if the delay of any part is not known."""
    delays = [part.delay_ps for part in parts if part.delay_ps is not None]
    return max(delays) if len(delays) == len(parts) else None


def synthesize_decoder(
    technology: Technology, *, lanes: int = 8, rows: int = ROWS, max_length: int = MAX_LENGTH
) -> DecoderRecord:
    """Synthesize a DFloat11 decoder of ``lanes`` lanes with a code table.

    The table has ``rows`` rows, for codes of at most ``max_length`` bits. A lane, and the table
    with its loader, are synthesized separately. The only logic between them is an OR of the lanes'
    ``busy`` outputs, which is left out. So the decoder's area is the area of the table plus
    ``lanes`` times the area of a lane. ``um2_per_lane`` includes the lane's share of the table.
    ``um2_per_symbol`` is ``um2_per_lane`` divided by the weights that a lane decodes per cycle, and
    ``um2_per_bit`` is ``um2_per_symbol`` divided by the 16 bits of a weight. ``symbols_per_cycle``
    is the most weights that all lanes together decode per cycle. ``energy_fj`` is the energy of a
    decoded weight, with a lane's share of the table's energy.

    Raises UserError for an impossible decoder, ToolError if Yosys or ABC fails, ProofError if a
    netlist differs from its RTL, and ProgressError if a lane can hang.
    """
    check_decoder(lanes, rows, max_length)
    component = Lane(rows=rows, max_length=max_length)
    loader = Loader(rows=rows, max_length=max_length)
    packets = load_packets()

    def measure(folder: Path) -> DecoderEnergy | None:
        if (rows, max_length) != (ROWS, MAX_LENGTH):
            return None
        netlists = [folder / name / "netlist.json" for name in ("lane", "table")]
        return measure_decoder(netlists[0], netlists[1], _TOP, technology, packets)

    found = _synthesized(
        {"lane": component, "table": loader}, technology, measure, packets.content_hash
    )
    shape = {"architecture": "canonical_comparators", "rows": rows, "max_length": max_length}
    return _decoder_record(technology, component, found, lanes, symbols=1, codes="table", **shape)


def synthesize_fixed_decoder(
    technology: Technology, *, lanes: int = 8, symbols: int = 1
) -> DecoderRecord:
    """Synthesize a DFloat11 decoder of ``lanes`` lanes without a table, for fixed codes.

    Each lane decodes up to ``symbols`` weights in a cycle; ``symbols`` is 1 or 2. The record has
    the fields that :func:`synthesize_decoder` describes; fields about the table are null. Raises
    the errors of :func:`synthesize_decoder`.
    """
    check_lanes(lanes)
    component = FixedLane(symbols=symbols)
    packets = load_fixed_packets()

    def measure(folder: Path) -> DecoderEnergy:
        return measure_fixed(folder / "lane" / "netlist.json", _TOP, technology, packets, symbols)

    found = _synthesized({"lane": component}, technology, measure, packets.content_hash)
    shape = {"architecture": "fixed_codes", "rows": None, "max_length": None}
    return _decoder_record(
        technology, component, found, lanes, symbols=symbols, codes="fixed", **shape
    )


def _decoder_record(
    technology: Technology,
    component: wiring.Component,
    found: UnitFigures,
    lanes: int,
    *,
    symbols: int,
    **shape: Any,
) -> DecoderRecord:
    """The record of a decoder: ``lanes`` copies of ``component``, and a table if there is one."""
    lane, table = found.parts["lane"], found.parts.get("table")
    parts = [part for part in (lane, table) if part is not None]
    key = content_key(
        [to_rtlil(component, _TOP), code_fingerprint("halfbyte.area.proofs.progress")]
    )
    progress = stored(UnitProof, key, lambda: prove_progress(component))
    proofs = {"lane_netlist": lane.proof} | ({"table_netlist": table.proof} if table else {})
    area = round(lanes * lane.area_um2 + (table.area_um2 if table else 0), 4)
    registers = lanes * lane.register_um2 + (table.register_um2 if table else 0)
    measured = found.measured if isinstance(found.measured, DecoderEnergy) else None
    energy = _decoder_energy(measured, lanes)
    return DecoderRecord(
        activation=None,
        unit="dfloat11",
        recipe=QUICK.name,
        technology=technology.name,
        corner=technology.corner,
        area_um2=area,
        area_ge=round(area / technology.nand2_area, 2),
        delay_ps=_slowest(*parts),
        energy_fj=energy.energy_fj,
        glitch_energy_fj=energy.glitch_energy_fj,
        clock_energy_fj=energy.clock_energy_fj,
        leakage_nw=energy.leakage_nw,
        not_measured=energy.not_measured,
        proof=DecoderProof(
            lane_netlist=lane.proof.status,
            table_netlist=table.proof.status if table else None,
            progress=progress.status,
            claim=progress.claim,
            **_summary(**proofs, progress=progress),
        ),
        register_um2=round(registers, 4),
        cells=lanes * lane.cells + (table.cells if table else 0),
        lanes=lanes,
        symbols=symbols,
        **shape,
        lane_um2=lane.area_um2,
        table_um2=table.area_um2 if table else None,
        um2_per_lane=round(area / lanes, 4),
        um2_per_symbol=round(area / lanes / symbols, 4),
        um2_per_bit=round(area / lanes / symbols / WEIGHT_BITS, 4),
        symbols_per_cycle=lanes * symbols,
        seconds=round(sum(part.seconds for part in parts), 3),
        versions=_versions(technology),
    )


def _decoder_energy(measured: DecoderEnergy | None, lanes: int) -> MacEnergy:
    """Energies per weight with a lane's share of the table's energy, and the decoder's leakage."""
    if measured is None:
        return MacEnergy(not_measured=_NO_PACKETS)
    result = MacEnergy(not_measured=measured.not_measured)
    if measured.table_leakage_nw is not None and measured.lane_leakage_nw is not None:
        leakage = measured.table_leakage_nw + lanes * measured.lane_leakage_nw
        result = replace(result, leakage_nw=round(leakage, 4))
    if measured.table_energy_fj is None:
        return result
    share = measured.table_energy_fj / lanes

    def whole(lane: float | None) -> float | None:
        return None if lane is None else round(lane + share, 3)

    return replace(
        result,
        energy_fj=whole(measured.lane_energy_fj),
        glitch_energy_fj=whole(measured.lane_glitch_fj),
        clock_energy_fj=whole(measured.lane_clock_fj),
    )


def synthesize_bf16_mac(technology: Technology) -> Bf16MacRecord:
    """Synthesize the BF16 MAC, which adds each product to an FP32 sum in one cycle.

    ``multiplier_um2`` is the area of the logic for the exact product, synthesized alone.
    ``accumulator_um2`` is the MAC's area minus the areas of this logic and of the registers.
    ``energy_fj`` is the energy per MAC on the default set of operands. Raises ToolError if Yosys or
    ABC fails, and ProofError if a netlist differs from its RTL.
    """
    operands = load_operands(shipped_operands()[0])
    found = _synthesized(
        {"mac": Bf16Mac(), "product": Product()},
        technology,
        lambda folder: measure_mac(folder / "mac" / "netlist.json", _TOP, technology, operands),
        operands.content_hash,
    )
    whole, product = found.parts["mac"], found.parts["product"]
    if not isinstance(found.measured, MacEnergy):
        raise AssertionError("The energies of a BF16 MAC must be a MacEnergy")
    measured = found.measured
    return Bf16MacRecord(
        activation="bf16",
        unit="bf16_mac",
        architecture="fused",
        recipe=QUICK.name,
        acc_width=_FP32_BITS,
        technology=technology.name,
        corner=technology.corner,
        area_um2=whole.area_um2,
        area_ge=round(whole.area_um2 / technology.nand2_area, 2),
        multiplier_um2=product.area_um2,
        accumulator_um2=round(whole.area_um2 - product.area_um2 - whole.register_um2, 4),
        delay_ps=whole.delay_ps,
        energy_fj=measured.energy_fj,
        glitch_energy_fj=measured.glitch_energy_fj,
        clock_energy_fj=measured.clock_energy_fj,
        leakage_nw=measured.leakage_nw,
        not_measured=measured.not_measured,
        proof=Bf16MacProof(
            netlist=whole.proof.status,
            multiplier_netlist=product.proof.status,
            **_summary(netlist=whole.proof, multiplier_netlist=product.proof),
        ),
        register_um2=whole.register_um2,
        cells=whole.cells,
        seconds=whole.seconds,
        versions=_versions(technology),
    )
