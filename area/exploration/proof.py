"""Proves that chosen designs of a space are correct.

A run over a space only synthesizes designs, and proves nothing, to save time.
"""

import tempfile
from pathlib import Path

from halfbyte.area.exploration.trials import MacTrial
from halfbyte.area.netlists.modules import MAC, MULTIPLIER
from halfbyte.area.proofs.record import prove_chosen
from halfbyte.area.proofs.results import MacProof
from halfbyte.area.synthesis.yosys import synthesize_rtlil

__all__ = ["prove_trial"]


def prove_trial(trial: MacTrial) -> MacProof:
    """Prove that the netlists of a MAC and of its multiplier alone are correct.

    Both are synthesized again; the MAC gets the same netlist as before. Raises ProofError with a
    counterexample if a netlist or its RTL is wrong, and ToolError if synthesis fails.
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
