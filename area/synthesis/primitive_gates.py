"""Searches for multipliers with the fewest AND, OR, XOR and NOT gates, as published searches do."""

import tempfile
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from halfbyte.area.synthesis.annealed import starting_network
from halfbyte.area.synthesis.annealing import Network, anneal, unit_gates
from halfbyte.area.synthesis.annealing.state import AND2, NOT, OUTPUT, XOR2
from halfbyte.area.synthesis.recipes import CLEAN, RESUBSTITUTE
from halfbyte.formats import Format
from halfbyte.rtl import to_rtlil
from halfbyte.rtl.signed_product import SignedProduct

__all__ = ["GATES", "UnitMultiplier", "search_unit_gates"]

# The gates by kind and polarity (which inputs and outputs are inverted, see `.annealing.state`):
# their names, and expressions in Verilog. An OR is an AND with all inputs and the output inverted.
GATES = {
    (AND2, 0): ("AND", "{} & {}"),
    (AND2, 3 | OUTPUT): ("OR", "{} | {}"),
    (XOR2, 0): ("XOR", "{} ^ {}"),
    (NOT, 0): ("NOT", "~{}"),
}
_TOP = "product"
# Name of the module in the file; a port may not have this name.
_MODULE = "multiply"
# The names of file and module may differ, which Verilator would warn about.
_ANY_FILE = "/* verilator lint_off DECLFILENAME */\n"
# First and last temperature of the annealing, in units of the cost of a gate, found by trial. They
# are a little higher than those for annealing cells by area, since all gates cost the same here.
HOT, COLD = 0.24, 0.19
_SCRIPT = (
    *(*CLEAN, "&get -n", "&deepsyn -I 4 -J 10", "&put"),
    *(*RESUBSTITUTE, "dch", "map -a", "topo"),
)


@dataclass(frozen=True)
class UnitMultiplier:
    """A multiplier of two codes, made of gates; the product is in two's complement.

    Parameters
    ----------
    weight, activation : Format
        Formats of the codes.
    architecture : str
        The multiplier architecture from which the annealing started.
    seed : int
        The seed of that annealing.
    network : Network
        The gates and how they are connected.
    """

    weight: Format
    activation: Format
    architecture: str
    seed: int
    network: Network

    @property
    def counts(self) -> dict[str, int]:
        """The number of gates, by name."""
        counts = self.network.counts()
        return {name: counts[function] for function, (name, _) in GATES.items()}

    @property
    def gates(self) -> int:
        """The number of all gates."""
        return sum(self.counts.values())

    def check(self) -> None:
        """Compare the outputs for all pairs of codes with the products of the formats' integers.

        Raises AssertionError if a product differs.
        """
        tables = self.network.tables()
        bits = np.unpackbits(tables.view(np.uint8), axis=1, bitorder="little").astype(np.int64)
        powers = 1 << np.arange(len(bits))
        powers[-1] = -powers[-1]
        found = powers @ bits
        for a, activation in enumerate(self.activation.integers):
            for w, weight in enumerate(self.weight.integers):
                product = int(found[a << self.weight.bits | w])
                if product != weight * activation:
                    raise AssertionError(f"{weight} * {activation} is not {product}")

    def verilog(self) -> str:
        """The gates as a Verilog module of continuous assignments."""
        counts = ", ".join(f"{count} {name}" for name, count in self.counts.items())
        title = f"// {self.weight.name} x {self.activation.name}: {self.gates} gates, {counts}\n"
        text = self.network.verilog(_MODULE, self.network.gates, self._assignment, signed=True)
        return f"{title}{_ANY_FILE}{text}"

    def _assignment(self, node: int, names: Mapping[int, str]) -> str:
        expression = GATES[self.network.function(node)][1]
        sources = [names[source] for source in self.network.reads(node)]
        return f"assign {names[node]} = {expression.format(*sources)}"


def search_unit_gates(
    weight: Format,
    activation: Format,
    *,
    architectures: Sequence[str],
    moves: int,
    seeds: Sequence[int],
    jobs: int = 1,
    on_progress: Callable[[int, int, str], None] | None = None,
) -> UnitMultiplier:
    """The multiplier with the fewest gates among annealings of every architecture with every seed.

    Each annealing tries ``moves`` times to replace a gate; ``jobs`` annealings run at the same
    time. The same formats, architectures, moves and seeds give the same gates. ``on_progress`` is
    called with the number of finished annealings, the number of all annealings, and a text. Raises
    ArchitectureError for an architecture that is not possible for the formats, ValueError if both
    codes together have more than 12 bits, and ToolError if Yosys or ABC fails.
    """
    starts = {name: _start(weight, activation, name) for name in architectures}

    def run(task: tuple[str, int]) -> UnitMultiplier:
        name, seed = task
        network = anneal(starts[name], unit_gates(), moves, seed=seed, hot=HOT, cold=COLD)
        return UnitMultiplier(weight, activation, name, seed, network)

    tasks = [(name, seed) for seed in seeds for name in starts]
    found = []
    with ThreadPoolExecutor(jobs) as pool:
        for result in pool.map(run, tasks):
            found.append(result)
            best = min(found, key=lambda each: each.gates)
            if on_progress:
                on_progress(len(found), len(tasks), f"{best.gates} gates")
    best = min(found, key=lambda each: each.gates)
    best.check()
    return best


def _start(weight: Format, activation: Format, architecture: str) -> Network:
    """The gates of an architecture, before annealing."""
    component = SignedProduct(weight=weight, activation=activation, architecture=architecture)
    with tempfile.TemporaryDirectory(prefix="halfbyte-gates-") as temporary:
        folder = Path(temporary)
        (folder / "design.il").write_text(to_rtlil(component, _TOP))
        (folder / "search.abc").write_text("\n".join(_SCRIPT) + "\n")
        read = ["read_rtlil design.il", "hierarchy -check", "proc -norom", "opt -full", "wreduce"]
        return starting_network(_TOP, read, "-g AND,OR,XOR", {}, folder)
