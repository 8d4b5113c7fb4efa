"""BF16 weights without loss, DFloat11-coded, as a point beside the 4-bit formats."""

from collections.abc import Mapping
from typing import Any

from halfbyte.area.proofs.mac import PROVED
from halfbyte.base import UserError
from halfbyte.pareto.axes import MAC_AREA, Axis
from halfbyte.pareto.frontier import Point

__all__ = [
    "MACS_PER_WEIGHT",
    "SYMBOLS",
    "TITLE",
    "lossless_note",
    "lossless_point",
    "lossless_record",
]

NAME = "bf16_dfloat11"
TITLE = "BF16 with DFloat11"
SYMBOLS = 2
"""Weights in a cycle of the lanes that are plotted: two take less area each than one."""
MACS_PER_WEIGHT = 16
"""MACs that use each weight that a lane decodes, as in an array in which 16 activations share a
weight: a lane's area is divided among them."""


def lossless_record(
    mac: Mapping[str, Any],
    decoder: Mapping[str, Any],
    *,
    macs_per_weight: int = MACS_PER_WEIGHT,
    bits_per_weight: float | None = None,
) -> dict[str, Any]:
    """What BF16 with DFloat11 costs for each MAC, as a record like those of synthesis.

    Parameters
    ----------
    mac, decoder : record
        As ``area.search.units.synthesize_bf16_mac`` gives it, and ``synthesize_decoder`` or
        ``synthesize_fixed_decoder``.
    macs_per_weight : int
        MACs that use a weight. So many share a lane, times the weights that it gives in a cycle;
        its area includes its share of a code table.
    bits_per_weight : float, optional
        Measured by the codec on the weights in question.

    ``loss`` is 0: against the model in BF16, every weight is the same. Raises UserError for records
    of different technologies or units, or if fewer than one MAC uses a weight.
    """
    units = (mac["unit"], decoder["unit"])
    if units != ("bf16_mac", "dfloat11"):
        raise UserError(f"Wanted records of bf16_mac and dfloat11, not of {' and '.join(units)}")
    if mac["versions"]["card"] != decoder["versions"]["card"]:
        raise UserError(
            f"The MAC is in {mac['technology']}, the decoder in {decoder['technology']}: "
            "synthesize both in one technology"
        )
    if macs_per_weight < 1:
        raise UserError(f"A weight is used by at least 1 MAC, not {macs_per_weight}")
    macs_per_lane = macs_per_weight * decoder["symbols"]
    share = decoder["um2_per_lane"] / macs_per_lane
    area = mac["area_um2"] + share
    delays = (mac["delay_ps"], decoder["delay_ps"])
    energies = {
        key: _with_share(mac[key], decoder[key], macs_per_weight)
        for key in ("energy_fj", "clock_energy_fj")
    }
    leakage = _with_share(
        mac["leakage_nw"], decoder["leakage_nw"], decoder["lanes"] * macs_per_lane
    )
    return {
        **mac,
        "format": NAME,
        "unit": "bf16_mac+dfloat11",
        "area_um2": round(area, 4),
        "area_ge": round(area * mac["area_ge"] / mac["area_um2"], 2),
        "decoder_um2": round(share, 4),
        "macs_per_lane": macs_per_lane,
        "lanes": decoder["lanes"],
        "codes": decoder["codes"],
        "symbols": decoder["symbols"],
        "bits_per_weight": bits_per_weight,
        "loss": 0.0,
        "delay_ps": None if None in delays else max(delays),
        **energies,
        "leakage_nw": leakage,
        "not_measured": mac["not_measured"] or decoder["not_measured"],
        "proof": _joined(mac["proof"], decoder["proof"]),
        "seconds": round(mac["seconds"] + decoder["seconds"], 3),
    }


def _with_share(one: float | None, shared: float | None, sharers: int) -> float | None:
    return None if one is None or shared is None else round(one + shared / sharers, 4)


def _joined(mac: Mapping[str, Any], decoder: Mapping[str, Any]) -> dict[str, Any]:
    """Proved only if both are."""
    statuses = {"mac": mac["status"], "decoder": decoder["status"]}
    others = [status for status in statuses.values() if status != PROVED]
    return {
        "status": others[0] if others else PROVED,
        **statuses,
        "method": f"mac: {mac['method']}; decoder: {decoder['method']}",
        "seconds": round(mac["seconds"] + decoder["seconds"], 3),
    }


def lossless_point(
    record: Mapping[str, Any], quality: float, axis: Axis = MAC_AREA
) -> Point | None:
    """The point of a plot, if its cost is known: ``quality`` is that of the unquantized model."""
    cost = axis.lossless_cost(record)
    return None if cost is None else Point(record["format"], cost, quality)


def _codes(record: Mapping[str, Any]) -> str:
    return "fixed codes" if record["codes"] == "fixed" else "a loaded code table"


def lossless_note(record: Mapping[str, Any]) -> str:
    """What the point rests on, for the caption."""
    bits = record["bits_per_weight"]
    weights = "" if bits is None else f", {bits:.2f} bits per weight"
    return (
        f"{TITLE}: no loss, by definition, against the model in BF16{weights}; BF16 MAC with FP32 "
        f"accumulation and a lane of the decoder for {_codes(record)}, {record['symbols']} a "
        f"cycle, for {record['macs_per_lane']} MACs, recipe "
        f"{record['recipe']}"
    )
