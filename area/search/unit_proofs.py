"""Proves all claims about the BF16 MAC and the DFloat11 decoders.

There are three kinds of claims: a netlist does what its RTL does, a lane of a decoder never hangs
(progress), and the RTL does what the specification says. Each lane of a decoder decodes a stream of
its own.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from halfbyte.area.cells.technology import Technology
from halfbyte.area.proofs.bf16 import prove_bf16_mac
from halfbyte.area.proofs.fixed_codes import prove_fixed_lane
from halfbyte.area.proofs.mac import NETLIST_CLAIM
from halfbyte.area.proofs.results import UnitProof
from halfbyte.area.proofs.table_code import prove_symbol_reader
from halfbyte.area.proofs.table_loader import prove_loader
from halfbyte.area.search.units import (
    stored,
    synthesize_bf16_mac,
    synthesize_decoder,
    synthesize_fixed_decoder,
)
from halfbyte.base import Record, code_fingerprint, content_key
from halfbyte.rtl import to_rtlil
from halfbyte.rtl.bf16 import Bf16Mac
from halfbyte.rtl.dfloat11 import MAX_LENGTH, ROWS, Loader
from halfbyte.rtl.dfloat11.fixed import FixedLane
from halfbyte.rtl.dfloat11.symbol_reader import SymbolReader

__all__ = ["UnitClaim", "prove_bf16", "prove_decoder", "prove_fixed_decoder"]

_TOP = "unit"

# A function that is called with the name of each case of a long proof, to show progress.
OnCase = Callable[[str], None]


@dataclass(frozen=True, kw_only=True)
class UnitClaim(Record):
    """One claim about a unit, and whether it was proved."""

    unit: str
    """``bf16_mac`` or ``dfloat11``."""
    part: str
    """What the claim is about: a netlist, ``progress``, or the RTL's ``specification``."""
    claim: str
    """What was to be proved."""
    status: str
    """``proved``, or ``undecided`` if the solver gave up."""
    method: str
    """The method of proof."""


def prove_bf16(technology: Technology, on_case: OnCase = lambda name: None) -> list[UnitClaim]:
    """Prove all claims about the BF16 MAC.

    Raises ProofError if a claim is refuted, ToolError if Yosys or ABC fails.
    """
    key = _key(to_rtlil(Bf16Mac(), _TOP), "halfbyte.area.proofs.bf16")
    specification = stored(UnitProof, key, lambda: prove_bf16_mac(on_case=on_case))
    proof = synthesize_bf16_mac(technology).proof
    return [
        *_netlists(
            "bf16_mac", {"netlist": proof.netlist, "product netlist": proof.multiplier_netlist}
        ),
        _claim("bf16_mac", "specification", specification),
    ]


def prove_decoder(technology: Technology, lanes: int) -> list[UnitClaim]:
    """Prove all claims about a decoder with a table.

    Raises the errors of :func:`prove_bf16` and of :func:`.units.synthesize_decoder`.
    """
    proof = synthesize_decoder(technology, lanes=lanes).proof
    return [
        *_netlists(
            "dfloat11", {"lane netlist": proof.lane_netlist, "table netlist": proof.table_netlist}
        ),
        _progress(proof.progress, proof.claim),
        _claim("dfloat11", "specification", _table_proof(SymbolReader, prove_symbol_reader)),
        _claim("dfloat11", "specification", _table_proof(Loader, prove_loader)),
    ]


def _table_proof(part: type[SymbolReader | Loader], prove: Callable[..., UnitProof]) -> UnitProof:
    """The proof of a part of the decoder with a table, from the store if it is there."""
    rtlil = to_rtlil(part(rows=ROWS, max_length=MAX_LENGTH), _TOP)
    # ``table_loader`` imports ``table_code``, so its fingerprint covers the proofs of both parts.
    key = _key(rtlil, "halfbyte.area.proofs.table_loader")
    return stored(UnitProof, key, lambda: prove(rows=ROWS, longest=MAX_LENGTH))


def prove_fixed_decoder(technology: Technology, lanes: int, symbols: int) -> list[UnitClaim]:
    """Prove all claims about a decoder for fixed codes.

    ``symbols`` is the most weights that a lane decodes in a cycle. Raises the errors of
    :func:`prove_decoder`, and UserError for an impossible number of symbols.
    """
    proof = synthesize_fixed_decoder(technology, lanes=lanes, symbols=symbols).proof
    key = _key(to_rtlil(FixedLane(symbols=symbols), _TOP), "halfbyte.area.proofs.fixed_codes")
    specification = stored(UnitProof, key, lambda: prove_fixed_lane(symbols=symbols))
    return [
        *_netlists("dfloat11", {"lane netlist": proof.lane_netlist}),
        _progress(proof.progress, proof.claim),
        _claim("dfloat11", "specification", specification),
    ]


def _key(rtlil: str, module: str) -> str:
    """A hash of all that a proof depends on: the RTLIL of the unit, and the code in ``module``."""
    return content_key(["specification", rtlil, code_fingerprint(module)])


def _netlists(unit: str, statuses: Mapping[str, str | None]) -> list[UnitClaim]:
    """The claims about a unit's netlists, from their statuses by part."""
    return [
        UnitClaim(
            unit=unit,
            part=part,
            claim=NETLIST_CLAIM,
            status=status,
            method="all states were checked by SAT",
        )
        for part, status in statuses.items()
        if status is not None
    ]


def _progress(status: str, claim: str) -> UnitClaim:
    method = "induction from any state"
    return UnitClaim(unit="dfloat11", part="progress", claim=claim, status=status, method=method)


def _claim(unit: str, part: str, proof: UnitProof) -> UnitClaim:
    return UnitClaim(
        unit=unit, part=part, claim=proof.claim, status=proof.status, method=proof.method
    )
