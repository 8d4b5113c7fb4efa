"""Library cells as synthesis needs them: combinational gates, flip-flops and adder cells."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

__all__ = ["AdderCell", "Arc", "Cell", "FlipFlop"]


@dataclass(frozen=True)
class Arc:
    """Delay and transition of an output as planes over the input's slew and the output's load.

    ``value = intrinsic + per_slew * slew + per_load * load``, in ps, with slew in ps and load in
    fF: the least-squares plane through the library's tables, over all arcs to the output, rise
    and fall.
    """

    delay: tuple[float, float, float]
    transition: tuple[float, float, float]


@dataclass(frozen=True)
class FlipFlop:
    """What makes a cell a rising-edge D flip-flop.

    ``inverted`` says that its output is QN. Pins that must be tied for it to be plain (an
    asynchronous reset, inactive) stand in ``tied``; its area counts in full.
    """

    data: str
    clock: str
    output: str
    inverted: bool
    setup_ps: float
    tied: tuple[str, ...] = ()


@dataclass(frozen=True)
class Cell:
    """One cell: area in um^2, leakage in nW, input capacitances in fF, functions by output."""

    name: str
    area: float
    leakage: float
    inputs: Mapping[str, float]
    outputs: Mapping[str, str]
    arcs: Mapping[str, Arc]
    flip_flop: FlipFlop | None = None

    def to_card(self) -> dict[str, Any]:
        """The cell as plain data for a card."""
        card: dict[str, Any] = {
            "area": self.area,
            "leakage": self.leakage,
            "inputs": dict(self.inputs),
            "outputs": {
                pin: {
                    "function": function,
                    **(
                        {
                            "delay": list(self.arcs[pin].delay),
                            "transition": list(self.arcs[pin].transition),
                        }
                        if pin in self.arcs
                        else {}
                    ),
                }
                for pin, function in self.outputs.items()
            },
        }
        if self.flip_flop:
            flip_flop = self.flip_flop
            card["flip_flop"] = {
                "data": flip_flop.data,
                "clock": flip_flop.clock,
                "output": flip_flop.output,
                "inverted": flip_flop.inverted,
                "setup_ps": flip_flop.setup_ps,
                "tied": list(flip_flop.tied),
            }
        return card

    @classmethod
    def from_card(cls, name: str, card: Mapping[str, Any]) -> "Cell":
        """The cell of a card; raises KeyError or TypeError for a card that is none."""
        flip_flop = card.get("flip_flop")
        return cls(
            name=name,
            area=float(card["area"]),
            leakage=float(card["leakage"]),
            inputs={str(pin): float(value) for pin, value in card["inputs"].items()},
            outputs={str(pin): str(out["function"]) for pin, out in card["outputs"].items()},
            arcs={
                str(pin): Arc(_plane(out["delay"]), _plane(out["transition"]))
                for pin, out in card["outputs"].items()
                if "delay" in out
            },
            flip_flop=FlipFlop(**{**flip_flop, "tied": tuple(flip_flop["tied"])})
            if flip_flop
            else None,
        )


def _plane(values: Iterable[float]) -> tuple[float, float, float]:
    intrinsic, per_slew, per_load = (float(value) for value in values)
    return intrinsic, per_slew, per_load


@dataclass(frozen=True)
class AdderCell:
    """A full or half adder: its cell, its pins, and which outputs are inverted.

    ``inputs`` are interchangeable.
    """

    cell: str
    inputs: tuple[str, ...]
    total: str
    carry: str
    total_inverted: bool
    carry_inverted: bool
