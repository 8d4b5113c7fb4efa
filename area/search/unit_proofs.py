"""Every proof of the units beside the MACs: netlists, progress, and the RTL's specification."""

from collections.abc import Callable, Mapping
from typing import Any

from halfbyte.area.cells.technology import Technology
from halfbyte.area.proofs.bf16 import CLAIM as SUM_CLAIM
from halfbyte.area.proofs.bf16 import prove_bf16_mac
from halfbyte.area.proofs.fixed_codes import CLAIM as STEP_CLAIM
from halfbyte.area.proofs.fixed_codes import prove_fixed_lane
from halfbyte.area.proofs.mac import NETLIST_CLAIM
from halfbyte.area.search.units import (
    stored,
    synthesize_bf16_mac,
    synthesize_decoder,
    synthesize_fixed_decoder,
)
from halfbyte.base import code_fingerprint, content_key
from halfbyte.rtl import to_rtlil
from halfbyte.rtl.bf16 import Bf16Mac
from halfbyte.rtl.dfloat11.fixed import FixedLane

__all__ = ["prove_bf16", "prove_decoder", "prove_fixed_decoder"]

_TOP = "unit"
_NETLISTS = ("netlist", "multiplier_netlist", "lane_netlist", "table_netlist")

Record = dict[str, Any]
OnCase = Callable[[str], None]


def prove_bf16(technology: Technology, on_case: OnCase = lambda name: None) -> list[Record]:
    """Records of the BF16 MAC's proofs, each with ``part`` and ``claim``.

    Raises ProofError if one is refuted, ToolError if Yosys or ABC fails.
    """
    key = _key(to_rtlil(Bf16Mac(), _TOP), "halfbyte.area.proofs.bf16")
    specification = stored(key, lambda: prove_bf16_mac(on_case=on_case))
    netlists = synthesize_bf16_mac(technology)
    return [
        *_parts("bf16_mac", netlists),
        _record("bf16_mac", "specification", SUM_CLAIM, specification),
    ]


def prove_decoder(technology: Technology, lanes: int) -> list[Record]:
    """Records of the proofs of a decoder with a table; raises as :func:`prove_bf16`."""
    return _parts("dfloat11", synthesize_decoder(technology, lanes=lanes))


def prove_fixed_decoder(technology: Technology, lanes: int, symbols: int) -> list[Record]:
    """Records of the proofs of a decoder without a table; raises as :func:`prove_bf16`."""
    netlists = synthesize_fixed_decoder(technology, lanes=lanes, symbols=symbols)
    rtlil = to_rtlil(FixedLane(symbols=symbols), _TOP)
    key = _key(rtlil, "halfbyte.area.proofs.fixed_codes")
    specification = stored(key, lambda: prove_fixed_lane(symbols=symbols))
    return [
        *_parts("dfloat11", netlists),
        _record("dfloat11", "specification", STEP_CLAIM, specification),
    ]


def _key(rtlil: str, module: str) -> str:
    return content_key(["specification", rtlil, code_fingerprint(module)])


def _parts(unit: str, record: Mapping[str, Any]) -> list[Record]:
    """What the record of synthesis has proved."""
    proof = record["proof"]
    found = [
        _record(unit, part, NETLIST_CLAIM, {"status": proof[part], "method": "any state by SAT"})
        for part in _NETLISTS
        if part in proof
    ]
    if "progress" in proof:
        method = "induction from any state"
        found.append(
            _record(
                unit, "progress", proof["claim"], {"status": proof["progress"], "method": method}
            )
        )
    return found


def _record(unit: str, part: str, claim: str, proof: Mapping[str, Any]) -> Record:
    return {
        "unit": unit,
        "part": part,
        "claim": claim,
        "status": proof["status"],
        "method": proof["method"],
        "seconds": proof.get("seconds"),
    }
