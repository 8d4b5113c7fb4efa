"""Units beside the 4-bit MACs: the DFloat11 decoder and the BF16 MAC, synthesised, as records.

The same technologies, the same script and the quick recipe; their other figures stand in the same
record, with fields of their own after it.
"""

import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from amaranth.lib import wiring

from halfbyte.area.netlist import read_netlist
from halfbyte.area.progress import prove_progress
from halfbyte.area.recipes import QUICK
from halfbyte.area.synthesis import synthesise_rtlil
from halfbyte.area.technology import Technology
from halfbyte.area.timing import analyse_timing
from halfbyte.base import (
    RecordStore,
    UserError,
    build_dir,
    content_key,
    source_fingerprint,
    versions_of,
)
from halfbyte.rtl import to_rtlil
from halfbyte.rtl.bf16 import Bf16Mac
from halfbyte.rtl.bf16.product import Product
from halfbyte.rtl.dfloat11 import MAX_LENGTH, ROWS, Lane, Loader, check_decoder

__all__ = ["WEIGHT_BITS", "synthesise_bf16_mac", "synthesise_decoder"]

WEIGHT_BITS = 16  # of a decoded weight
_FP32_BITS = 32
_TOP = "unit"
_VERSIONED = ("amaranth", "pyosys")


def _stored(key: str, compute: Any) -> dict[str, Any]:
    """What the store has under ``key``; computed and stored if it has nothing."""
    store = RecordStore(build_dir() / "records" / "units.jsonl")
    known = store.get(key)
    if known is None:
        known = compute()
        store.append(key, known)
    return known


def _synthesised(component: wiring.Component, technology: Technology) -> dict[str, Any]:
    """Figures of one component; a failed run is kept under ``build/failed``."""
    rtlil = to_rtlil(component, _TOP)

    def compute() -> dict[str, Any]:
        folder = Path(tempfile.mkdtemp(prefix="halfbyte-synth-"))
        try:
            result = synthesise_rtlil(rtlil, technology, QUICK, folder, _TOP)
            delay = _delay(folder / "netlist.json", technology)
        except BaseException:
            (build_dir() / "failed").mkdir(parents=True, exist_ok=True)
            shutil.move(folder, build_dir() / "failed" / folder.name)
            raise
        shutil.rmtree(folder)
        return {**asdict(result), "delay_ps": delay}

    versions = versions_of(*_VERSIONED)
    code = source_fingerprint("halfbyte.area")
    return _stored(
        content_key([rtlil, technology.content_hash, QUICK.abc, code, versions]), compute
    )


def _delay(netlist: Path, technology: Technology) -> float | None:
    """The least clock period in ps; None if the technology has no timing tables."""
    try:
        return analyse_timing(read_netlist(netlist, technology.cells, _TOP), technology).delay_ps
    except UserError:
        return None


def _record(unit: str, technology: Technology, **fields: Any) -> dict[str, Any]:
    """A result record (``design.md``); what the unit does not have is null."""
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


def synthesise_decoder(
    technology: Technology, *, lanes: int = 8, rows: int = ROWS, max_length: int = MAX_LENGTH
) -> dict[str, Any]:
    """The record of a DFloat11 decoder of ``lanes`` lanes.

    Its parts are synthesised by themselves, and there is no logic between them but the ``or`` of
    the lanes' ``busy``: the area is that of the table's loader and ``lanes`` times a lane.
    ``um2_per_lane`` has the lane's share of the table, ``um2_per_bit`` is that per bit of decoded
    weight and cycle; ``symbols_per_cycle`` is the peak, which simulation measures.

    Raises UserError for no such decoder, ToolError if Yosys or ABC fails, ProgressError if a lane
    can hang.
    """
    check_decoder(lanes, rows, max_length)
    component = Lane(rows=rows, max_length=max_length)
    lane = _synthesised(component, technology)
    table = _synthesised(Loader(rows=rows, max_length=max_length), technology)
    key = content_key([to_rtlil(component, _TOP), source_fingerprint("halfbyte.area.progress")])
    proof = _stored(key, lambda: prove_progress(component))
    area = table["area_um2"] + lanes * lane["area_um2"]
    return _record(
        "dfloat11",
        technology,
        architecture="canonical_comparators",
        area_um2=area,
        register_um2=round(table["register_um2"] + lanes * lane["register_um2"], 4),
        cells=table["cells"] + lanes * lane["cells"],
        delay_ps=_slowest(lane, table),
        proof=proof,
        lanes=lanes,
        rows=rows,
        max_length=max_length,
        lane_um2=lane["area_um2"],
        table_um2=table["area_um2"],
        um2_per_lane=round(area / lanes, 4),
        um2_per_bit=round(area / lanes / WEIGHT_BITS, 4),
        symbols_per_cycle=lanes,
        seconds=round(lane["seconds"] + table["seconds"], 3),
    )


def synthesise_bf16_mac(technology: Technology) -> dict[str, Any]:
    """The record of the BF16 MAC with FP32 accumulation, in one cycle.

    ``multiplier_um2`` is the exact product by itself, ``accumulator_um2`` what product and
    registers leave of the whole, as for the other MACs. Raises ToolError as above.
    """
    whole = _synthesised(Bf16Mac(), technology)
    product = _synthesised(Product(), technology)
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
        seconds=whole["seconds"],
    )
