"""Units beside the 4-bit MACs: the DFloat11 decoders and the BF16 MAC, synthesized, as records.

They take the same technologies, the same script and the quick recipe as the MACs. What only they
have stands in fields of its own, behind those that all records have.
"""

import shutil
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from amaranth.lib import wiring

from halfbyte.area.cells.technology import Technology
from halfbyte.area.netlists.netlist import read_netlist
from halfbyte.area.proofs.mac import PROVED, UNDECIDED
from halfbyte.area.proofs.progress import prove_progress
from halfbyte.area.proofs.registers import prove_unit
from halfbyte.area.synthesis.recipes import QUICK
from halfbyte.area.synthesis.yosys import synthesize_rtlil
from halfbyte.area.timing.delay import analyse_timing
from halfbyte.area.timing.operands import load_operands, shipped_operands
from halfbyte.area.timing.packets import load_fixed_packets, load_packets
from halfbyte.area.timing.unit_energy import measure_decoder, measure_fixed, measure_mac
from halfbyte.base import (
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

WEIGHT_BITS = 16  # of a decoded weight
_FP32_BITS = 32
_TOP = "unit"
_VERSIONED = ("amaranth", "pyosys", "python-sat")
_NO_PACKETS = f"the packets to measure on are for {ROWS} rows and codes of {MAX_LENGTH} bits"


def stored(key: str, compute: Any) -> dict[str, Any]:
    """What the store of units has under ``key``; computed and stored if it has nothing."""
    store = RecordStore(build_dir() / "records" / "units.jsonl")
    known = store.get(key)
    if known is None:
        known = compute()
        store.append(key, known)
    return known


def _synthesized(
    components: Mapping[str, wiring.Component],
    technology: Technology,
    measure: Callable[[Path], dict[str, Any]],
    inputs: str,
) -> dict[str, Any]:
    """Figures of each component, by name: synthesized, timed and proved; and what was measured.

    ``measure`` is given the folder with the netlists, ``NAME/netlist.json``, and ``inputs`` is a
    key of what it measures on. A failed run is kept under ``build/failed``.
    """
    rtlil = {name: to_rtlil(component, _TOP) for name, component in components.items()}

    def compute() -> dict[str, Any]:
        folder = Path(tempfile.mkdtemp(prefix="halfbyte-synth-"))
        try:
            found = {
                name: {
                    **asdict(synthesize_rtlil(rtlil[name], technology, QUICK, folder / name, _TOP)),
                    "delay_ps": _delay(folder / name / "netlist.json", technology),
                    "proof": prove_unit(component, folder / name, _TOP, technology.cells),
                }
                for name, component in components.items()
            }
            measured = measure(folder)
        except BaseException:
            (build_dir() / "failed").mkdir(parents=True, exist_ok=True)
            shutil.move(folder, build_dir() / "failed" / folder.name)
            raise
        shutil.rmtree(folder)
        return {**found, "measured": measured}

    versions = versions_of(*_VERSIONED)
    code = code_fingerprint(__name__)
    return stored(
        content_key([rtlil, technology.content_hash, QUICK.abc, code, versions, inputs]), compute
    )


def _delay(netlist: Path, technology: Technology) -> float | None:
    """The least clock period in ps; None if the technology has no timing tables."""
    try:
        return analyse_timing(read_netlist(netlist, technology.cells, _TOP), technology).delay_ps
    except UserError:
        return None


def _proof(**parts: Mapping[str, Any]) -> dict[str, Any]:
    """The record's ``proof`` of several parts: the status of each, how, and for how long."""
    decided = all(part["status"] == PROVED for part in parts.values())
    return {
        "status": PROVED if decided else UNDECIDED,
        **{name: part["status"] for name, part in parts.items()},
        "method": "; ".join(f"{name}: {part['method']}" for name, part in parts.items()),
        "seconds": round(sum(part.get("seconds", 0.0) for part in parts.values()), 3),
    }


def _record(unit: str, technology: Technology, **fields: Any) -> dict[str, Any]:
    """A result record; what the unit does not have is null."""
    area = round(fields.pop("area_um2"), 4)
    return {
        "format": "bf16",
        "activation": None,
        "unit": unit,
        "architecture": None,
        "recipe": QUICK.name,
        "terms": None,
        "acc_width": None,
        "technology": technology.name,
        "corner": technology.corner,
        "clock_ps": None,
        "area_um2": area,
        "area_ge": round(area / technology.nand2_area, 2),
        "multiplier_um2": None,
        "accumulator_um2": None,
        "delay_ps": None,
        "energy_fj": None,
        "uniform_energy_fj": None,
        "clock_energy_fj": None,
        "leakage_nw": None,
        "not_measured": None,
        "proof": None,
        **fields,
        "versions": {
            **versions_of("halfbyte", *_VERSIONED),
            "card": technology.content_hash[:12],
        },
    }


def _slowest(*parts: Mapping[str, Any]) -> float | None:
    """The delay of the slowest part, if it is known of all."""
    delays = [part.get("delay_ps") for part in parts]
    return None if None in delays else max(delays)  # type: ignore[type-var]


def synthesize_decoder(
    technology: Technology, *, lanes: int = 8, rows: int = ROWS, max_length: int = MAX_LENGTH
) -> dict[str, Any]:
    """The record of a DFloat11 decoder of ``lanes`` lanes with a code table.

    Its parts are synthesized by themselves. Between them stands nothing but the ``or`` of the
    lanes' ``busy``, so the area is that of the table's loader and ``lanes`` times that of a lane.
    ``um2_per_lane`` includes the lane's share of the table. ``um2_per_symbol`` is that per weight
    and cycle, ``um2_per_bit`` per bit of it. ``symbols_per_cycle`` is the peak, which simulation
    measures. ``energy_fj`` is that of a decoded weight, with its share of the table's.

    Raises UserError for no such decoder, ToolError if Yosys or ABC fails, ProofError if a netlist
    differs from its RTL, ProgressError if a lane can hang.
    """
    check_decoder(lanes, rows, max_length)
    component = Lane(rows=rows, max_length=max_length)
    loader = Loader(rows=rows, max_length=max_length)
    packets = load_packets()

    def measure(folder: Path) -> dict[str, Any]:
        if (rows, max_length) != (ROWS, MAX_LENGTH):
            return {}
        netlists = [folder / name / "netlist.json" for name in ("lane", "table")]
        return measure_decoder(netlists[0], netlists[1], _TOP, technology, packets)

    found = _synthesized(
        {"lane": component, "table": loader}, technology, measure, packets.content_hash
    )
    return _decoder_record(
        technology,
        component,
        found,
        lanes,
        architecture="canonical_comparators",
        codes="table",
        symbols=1,
        rows=rows,
        max_length=max_length,
    )


def synthesize_fixed_decoder(
    technology: Technology, *, lanes: int = 8, symbols: int = 1
) -> dict[str, Any]:
    """The record of a DFloat11 decoder of ``lanes`` lanes without a table, ``symbols`` a cycle.

    Its fields are those of :func:`synthesize_decoder`; what belongs to a table is null. Raises as
    that does.
    """
    check_lanes(lanes)
    component = FixedLane(symbols=symbols)
    packets = load_fixed_packets()

    def measure(folder: Path) -> dict[str, Any]:
        return measure_fixed(folder / "lane" / "netlist.json", _TOP, technology, packets, symbols)

    found = _synthesized({"lane": component}, technology, measure, packets.content_hash)
    return _decoder_record(
        technology,
        component,
        found,
        lanes,
        architecture="fixed_codes",
        codes="fixed",
        symbols=symbols,
        rows=None,
        max_length=None,
    )


def _decoder_record(
    technology: Technology,
    component: wiring.Component,
    found: Mapping[str, Any],
    lanes: int,
    *,
    symbols: int,
    **shape: Any,
) -> dict[str, Any]:
    """The record of ``lanes`` lanes ``component`` and, if there is one, a table."""
    lane, table = found["lane"], found.get("table")
    parts = [part for part in (lane, table) if part is not None]
    key = content_key(
        [to_rtlil(component, _TOP), code_fingerprint("halfbyte.area.proofs.progress")]
    )
    progress = stored(key, lambda: prove_progress(component))
    proofs = {"lane_netlist": lane["proof"]}
    if table is not None:
        proofs["table_netlist"] = table["proof"]

    def whole(field: str) -> Any:
        return lanes * lane[field] + (table[field] if table is not None else 0)

    area = whole("area_um2")
    return _record(
        "dfloat11",
        technology,
        architecture=shape.pop("architecture"),
        area_um2=area,
        register_um2=round(whole("register_um2"), 4),
        cells=whole("cells"),
        delay_ps=_slowest(*parts),
        **_decoder_energy(found["measured"], lanes, has_table=table is not None),
        proof={**_proof(**proofs, progress=progress), "claim": progress["claim"]},
        lanes=lanes,
        symbols=symbols,
        **shape,
        lane_um2=lane["area_um2"],
        table_um2=table["area_um2"] if table is not None else None,
        um2_per_lane=round(area / lanes, 4),
        um2_per_symbol=round(area / lanes / symbols, 4),
        um2_per_bit=round(area / lanes / symbols / WEIGHT_BITS, 4),
        symbols_per_cycle=lanes * symbols,
        seconds=round(sum(part["seconds"] for part in parts), 3),
    )


def _decoder_energy(measured: Mapping[str, Any], lanes: int, *, has_table: bool) -> dict[str, Any]:
    """Energies in fJ per weight, with a lane's share of the table, and the leakage of all in nW."""
    missing = {"energy_fj": None, "clock_energy_fj": None, "leakage_nw": None}
    if not measured:
        return {**missing, "not_measured": _NO_PACKETS}
    lane, table = measured["lane_leakage_nw"], measured["table_leakage_nw"] if has_table else 0.0
    leakage = None if lane is None or table is None else round(table + lanes * lane, 4)
    result = {**missing, "leakage_nw": leakage, "not_measured": measured["not_measured"]}
    if measured["not_measured"] is not None:
        return result
    share = measured["table_energy_fj"] / lanes if has_table else 0.0
    return {
        **result,
        "energy_fj": round(measured["lane_energy_fj"] + share, 3),
        "clock_energy_fj": round(measured["lane_clock_fj"] + share, 3),
    }


def synthesize_bf16_mac(technology: Technology) -> dict[str, Any]:
    """The record of the BF16 MAC with FP32 accumulation, in one cycle.

    ``multiplier_um2`` is the exact product by itself, ``accumulator_um2`` what product and
    registers leave of the whole, as for the other MACs; ``energy_fj`` is that of a MAC on the
    operands that the others are measured on. Raises ToolError as above.
    """
    operands = load_operands(shipped_operands()[0])
    found = _synthesized(
        {"mac": Bf16Mac(), "product": Product()},
        technology,
        lambda folder: measure_mac(folder / "mac" / "netlist.json", _TOP, technology, operands),
        operands.content_hash,
    )
    whole, product = found["mac"], found["product"]
    return _record(
        "bf16_mac",
        technology,
        architecture="fused",
        activation="bf16",
        acc_width=_FP32_BITS,
        area_um2=whole["area_um2"],
        multiplier_um2=product["area_um2"],
        accumulator_um2=round(whole["area_um2"] - product["area_um2"] - whole["register_um2"], 4),
        register_um2=whole["register_um2"],
        cells=whole["cells"],
        delay_ps=_slowest(whole),
        **found["measured"],
        proof=_proof(netlist=whole["proof"], multiplier_netlist=product["proof"]),
        seconds=whole["seconds"],
    )
