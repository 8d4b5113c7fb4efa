"""The cost of BF16 weights that are compressed without loss, for comparison with 4-bit formats.

DFloat11 compresses BF16 weights by coding their exponents. In hardware, a decoder with several
*lanes* decompresses the weights, and BF16 MACs use them. The lanes work in parallel.
"""

from halfbyte.area.proofs.mac import PROVED
from halfbyte.area.search.unit_records import Bf16MacRecord, DecoderRecord
from halfbyte.area.timing.energy import all_reasons
from halfbyte.base import UserError
from halfbyte.pareto.axes import MAC_AREA, Axis
from halfbyte.pareto.frontier import Point
from halfbyte.pareto.records import LosslessProof, LosslessRecord

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
"""Weights that each lane of the plotted decoder gives in a cycle.

With two, the area per weight is less than with one.
"""
MACS_PER_WEIGHT = 16
"""MACs that use each decoded weight: the weight is multiplied by 16 activations."""


def lossless_record(
    mac: Bf16MacRecord,
    decoder: DecoderRecord,
    *,
    macs_per_weight: int = MACS_PER_WEIGHT,
    bits_per_weight: float | None = None,
) -> LosslessRecord:
    """The cost per MAC of BF16 with DFloat11, as a record with the fields of a synthesis record.

    Parameters
    ----------
    mac : Bf16MacRecord
        Result of ``area.search.units.synthesize_bf16_mac``.
    decoder : DecoderRecord
        Result of ``synthesize_decoder`` or ``synthesize_fixed_decoder``.
    macs_per_weight : int
        MACs that use each weight. This number, times the weights that a lane gives in a cycle, is
        the number of MACs that share the lane. The area of a lane includes its share of the code
        table, if there is one.
    bits_per_weight : float, optional
        Bits per weight that the codec measured on the model's weights.

    Raises
    ------
    UserError
        If the records have different technologies, or ``macs_per_weight`` is below 1.
    """
    if mac.versions["card"] != decoder.versions["card"]:
        raise UserError(
            f"The MAC is in {mac.technology}, the decoder in {decoder.technology}: "
            "synthesize both in one technology"
        )
    if macs_per_weight < 1:
        raise UserError(f"The number of MACs per weight must be at least 1, not {macs_per_weight}")
    macs_per_lane = macs_per_weight * decoder.symbols
    share = decoder.um2_per_lane / macs_per_lane
    area = mac.area_um2 + share
    delays = [delay for delay in (mac.delay_ps, decoder.delay_ps) if delay is not None]
    return LosslessRecord(
        format=NAME,
        activation=mac.activation,
        unit="bf16_mac+dfloat11",
        architecture=mac.architecture,
        recipe=mac.recipe,
        acc_width=mac.acc_width,
        technology=mac.technology,
        corner=mac.corner,
        area_um2=round(area, 4),
        area_ge=round(area * mac.area_ge / mac.area_um2, 2),
        multiplier_um2=mac.multiplier_um2,
        accumulator_um2=mac.accumulator_um2,
        delay_ps=max(delays) if len(delays) == 2 else None,
        energy_fj=_with_share(mac.energy_fj, decoder.energy_fj, macs_per_weight),
        glitch_energy_fj=_with_share(
            mac.glitch_energy_fj, decoder.glitch_energy_fj, macs_per_weight
        ),
        clock_energy_fj=_with_share(mac.clock_energy_fj, decoder.clock_energy_fj, macs_per_weight),
        leakage_nw=_with_share(mac.leakage_nw, decoder.leakage_nw, decoder.lanes * macs_per_lane),
        not_measured=all_reasons(mac.not_measured, decoder.not_measured),
        proof=_joined(mac, decoder),
        register_um2=mac.register_um2,
        cells=mac.cells,
        seconds=round(mac.seconds + decoder.seconds, 3),
        versions=mac.versions,
        decoder_um2=round(share, 4),
        macs_per_lane=macs_per_lane,
        lanes=decoder.lanes,
        codes=decoder.codes,
        symbols=decoder.symbols,
        bits_per_weight=bits_per_weight,
    )


def _with_share(one: float | None, shared: float | None, sharers: int) -> float | None:
    """``one`` plus ``shared`` divided by ``sharers``; None if either number is not known."""
    return None if one is None or shared is None else round(one + shared / sharers, 4)


def _joined(mac: Bf16MacRecord, decoder: DecoderRecord) -> LosslessProof:
    """The proofs of both units as one, proved only if both are proved."""
    statuses = (mac.proof.status, decoder.proof.status)
    others = [status for status in statuses if status != PROVED]
    return LosslessProof(
        status=others[0] if others else PROVED,
        mac=statuses[0],
        decoder=statuses[1],
        method=f"mac: {mac.proof.method}; decoder: {decoder.proof.method}",
        seconds=round(mac.proof.seconds + decoder.proof.seconds, 3),
    )


def lossless_point(record: LosslessRecord, quality: float, axis: Axis = MAC_AREA) -> Point | None:
    """The point of BF16 with DFloat11 in a plot; None if its cost is not known.

    ``quality`` is the quality of the unquantized model.
    """
    cost = axis.lossless(record)
    return None if cost is None else Point(record.format, cost, quality)


def _codes(record: LosslessRecord) -> str:
    return "fixed codes" if record.codes == "fixed" else "a loaded code table"


def lossless_note(record: LosslessRecord) -> str:
    """What the lossless point is based on, for the caption of a plot."""
    bits = record.bits_per_weight
    weights = "" if bits is None else f", {bits:.2f} bits per weight"
    return (
        f"{TITLE}: no loss, by definition, against the model in BF16{weights}; BF16 MAC with FP32 "
        f"accumulation, and its share of a lane of the decoder for {_codes(record)}; the lane "
        f"gives {record.symbols} weights a cycle to {record.macs_per_lane} MACs; recipe "
        f"{record.recipe}"
    )
