"""Holds the plan of one simulation of the DFloat11 decoder: inputs and expected outputs.

This module avoids PyTorch, so that the simulator starts in a fraction of a second.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from halfbyte.sim.ports import PortMap

__all__ = ["FIXED_SCENARIOS", "SCENARIOS", "DecoderPlan", "Packet", "Session"]

SCENARIOS = ("tensors", "stalls", "tables", "flips", "cuts", "resets")
FIXED_SCENARIOS = ("tensors", "stalls", "codes", "flips", "cuts", "resets")
"""Scenarios of the decoder without a code table."""


@dataclass(frozen=True)
class Packet:
    """One chunk of a compressed tensor for one lane of the decoder, and its expected output.

    ``words`` are the beats (transfers) of the coded exponents, and ``raw`` those of the raw bytes,
    which hold signs and mantissas. The bench marks the last beat of each. The lane must
    give ``weights``, then ``verdict``, which says whether the chunk is good. ``what`` names the
    packet in messages.
    """

    what: str
    words: Sequence[int]
    raw: Sequence[int]
    weights: Sequence[int]
    verdict: int


@dataclass(frozen=True)
class Session:
    """Packets for each lane, perhaps after a code table.

    Parameters
    ----------
    table : sequence of int
        Numbers of the code table. If empty, the decoder keeps the table of the previous session, or
        has no table.
    refused : bool
        Whether the decoder must refuse the table. Then its lanes must not take any input.
    lanes : sequence of sequence of Packet
        The packets of each lane, in order.
    flow : float
        Probability that a stream is ready to move a beat in a cycle.
    reset_after : int
        Cycles after which a reset ends the session; 0 for never.
    """

    table: Sequence[int]
    refused: bool
    lanes: Sequence[Sequence[Packet]]
    flow: float = 1.0
    reset_after: int = 0

    @property
    def checks(self) -> int:
        """Number of weights, verdicts and tables that are compared.

        Weights and verdicts of a session with a reset do not count.
        """
        packets = [] if self.reset_after else [packet for lane in self.lanes for packet in lane]
        return bool(self.table) + sum(len(packet.weights) + 1 for packet in packets)


@dataclass(frozen=True)
class DecoderPlan:
    """All sessions of one scenario, for a decoder with ``ports``.

    ``coded`` is the name of the streams of coded exponents. Their beats have ``coded_bits`` bits
    and the bit ``last``. A beat of raw bytes holds ``symbols`` bytes, and a beat of weights
    ``symbols`` weights.
    """

    title: str
    seed: int
    ports: PortMap
    sessions: Sequence[Session]
    coded: str = "words"
    coded_bits: int = 32
    symbols: int = 1

    @property
    def products(self) -> int:
        """Number of comparisons when the scenario runs to its end."""
        return sum(session.checks for session in self.sessions)

    def save(self, folder: Path, scenario: str) -> None:
        """Write the plan for ``scenario`` into ``folder``."""
        entries = {
            "title": self.title,
            "seed": self.seed,
            "ports": self.ports.to_json(),
            "sessions": [asdict(session) for session in self.sessions],
            "coded": self.coded,
            "coded_bits": self.coded_bits,
            "symbols": self.symbols,
        }
        (folder / f"{scenario}.plan.json").write_text(json.dumps(entries))

    @classmethod
    def load(cls, folder: Path, scenario: str) -> "DecoderPlan":
        """The plan that :meth:`save` wrote."""
        entries: dict[str, Any] = json.loads((folder / f"{scenario}.plan.json").read_text())
        sessions = [
            Session(
                **{
                    **session,
                    "lanes": [[Packet(**packet) for packet in lane] for lane in session["lanes"]],
                }
            )
            for session in entries["sessions"]
        ]
        ports = PortMap.from_json(entries["ports"])
        others = {
            name: entries[name] for name in ("title", "seed", "coded", "coded_bits", "symbols")
        }
        return cls(ports=ports, sessions=sessions, **others)
