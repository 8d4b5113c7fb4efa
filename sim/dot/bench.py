"""Runs the scoreboard, a Verilog module, from cocotb: loads vectors, and reports a difference.

The scoreboard is the module ``bench``, made by :mod:`halfbyte.sim.dot.player`. It applies the
inputs in the vectors to the unit and compares the unit's outputs with the expected outputs.
"""

from pathlib import Path
from typing import Any

from cocotb.triggers import FallingEdge, RisingEdge

from halfbyte.sim.dot.plan import DotPlan
from halfbyte.sim.dot.player import DEPTH, write_vectors
from halfbyte.sim.ports import PortMap
from halfbyte.sim.scoreboard import MismatchError

__all__ = ["play"]


def _fields(word: int, ports: PortMap, inputs: bool) -> str:
    """The values of all inputs, or all outputs, that ``word`` holds, as hexadecimal text."""
    widths = ports.inputs if inputs else ports.outputs
    offsets = ports.input_offsets if inputs else ports.output_offsets
    return ", ".join(
        f"{name} {word >> offsets[name] & (1 << width) - 1:x}" for name, width in widths.items()
    )


async def play(dut: Any, plan: DotPlan, folder: Path) -> int:
    """Run all cycles of a plan; return their number. Raises MismatchError at the first difference.

    Parameters
    ----------
    dut : handle
        The scoreboard, module ``bench``; its clock must run.
    plan : DotPlan
        Inputs and expected outputs of every cycle.
    folder : Path
        The simulator's working folder.
    """
    for start in range(0, len(plan.stimulus), DEPTH):
        stimulus, expected = (
            words[start : start + DEPTH] for words in (plan.stimulus, plan.expected)
        )
        write_vectors(stimulus, expected, folder)
        dut.last.value = len(stimulus) - 1
        dut.load.value = 1
        await RisingEdge(dut.running)
        dut.load.value = 0
        await FallingEdge(dut.running)
        number = dut.number.value.to_unsigned()
        if dut.failed.value:
            raise MismatchError(_difference(plan, start + number, str(dut.result.value)))
        if number != len(stimulus) - 1:
            raise AssertionError(f"The scoreboard stopped at vector {number} of {len(stimulus)}")
    return len(plan.stimulus)


def _difference(plan: DotPlan, cycle: int, seen: str) -> str:
    """The message about a cycle with wrong outputs; ``seen`` is the text of all output bits."""
    stimulus, expected = (
        int.from_bytes(words[cycle].tobytes(), "little") for words in (plan.stimulus, plan.expected)
    )
    known = set(seen) <= {"0", "1"}
    outputs = _fields(int(seen, 2), plan.ports, inputs=False) if known else seen
    return (
        f"{plan.title}: mismatch in cycle {cycle}\n"
        f"  {_fields(stimulus, plan.ports, inputs=True)}:\n"
        f"  expected {_fields(expected, plan.ports, inputs=False)}\n"
        f"  seen     {outputs}"
    )
