"""Proofs of chosen designs of a space. A run over a space proves nothing, to save time."""

import tempfile
from pathlib import Path

from halfbyte.area.exploration.trials import MacTrial
from halfbyte.area.netlists.modules import MAC, MULTIPLIER
from halfbyte.area.proofs.record import prove_chosen
from halfbyte.area.proofs.results import MacProof
from halfbyte.area.synthesis.yosys import synthesize_rtlil

__all__ = ["prove_trial"]


def prove_trial(trial: MacTrial) -> MacProof:
    """Prove a design by synthesizing it again, which gives the same netlist.

    Raises ProofError with a counterexample if the netlist is wrong, ToolError if synthesis fails.
    """
    design, clock = trial.design, trial.clock_ps
    with tempfile.TemporaryDirectory(prefix="halfbyte-prove-") as temporary:
        netlists = []
        for module in (MAC, MULTIPLIER):
            folder = Path(temporary) / module
            synthesize_rtlil(
                design.rtlil(module), trial.technology, trial.recipe, folder, module, clock
            )
            netlists.append(folder / "netlist.v")
        return prove_chosen(design, trial.technology, *netlists)
