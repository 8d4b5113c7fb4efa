"""Proves or refutes that two words are equal for all values of their variables.

Both words belong to one and-inverter graph (:class:`Aig`). A bit of a word is a *literal*: a node
of the graph or its inverse. Some of the graph's variables may be bits of the operands' *codes*.
Every node of the graph is simulated for *all* codes, with random values of the other variables. For
nodes that depend on the codes alone, this simulation is complete: two such nodes that agree are
equal. Other nodes that agree are candidates. From the inputs to the outputs, a SAT solver checks
the candidates one by one, and each pair that it proves equal becomes one node (SAT sweeping:
Kuehlmann and Krohm, DAC 1997). So in the proof of a MAC, the solver need not compare multipliers,
and it compares adders only bit by bit.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass

from pysat.solvers import Solver

from halfbyte.area.netlists.aig import FALSE, TRUE, Aig

__all__ = ["Verdict", "compare"]

# With this many random patterns, few nodes that differ look equal.
MIN_PATTERNS = 2**12
SEED = 1
# The most conflicts that the solver may spend on an inner candidate, and on an output, before it
# gives up.
INNER_CONFLICTS, OUTPUT_CONFLICTS = 2_000, 500_000
SOLVER = "glucose4"


@dataclass(frozen=True)
class Verdict:
    """The result of a comparison.

    ``equal`` is True (proved), False (refuted) or None (the solver gave up). ``codes`` is the
    number of combinations of the codes' bits; all were simulated. ``queries`` is the number of
    questions to the solver. ``model`` is a counterexample: a value for each variable's literal,
    such that the words differ. Without a counterexample it is None.
    """

    equal: bool | None
    codes: int
    queries: int
    model: dict[int, int] | None = None


def compare(
    aig: Aig, codes: Sequence[int], pairs: Sequence[tuple[int, int]], extremes: Sequence[int] = ()
) -> Verdict:
    """Compare the two literals of every pair, for all values of the variables.

    Parameters
    ----------
    aig : Aig
        Graph that holds the literals.
    codes : sequence of int
        Literals of at most about 16 variables. All combinations of their values are simulated, and
        the first variable changes fastest. Tables of ``aig`` are functions of these variables.
    pairs : sequence of (int, int)
        Pairs of literals, in the order in which they are compared.
    extremes : sequence of int
        Literals of a word that about half of the patterns set near zero or near the ends of its
        range, since random values alone hardly ever saturate an adder. Literals that are not
        variables are left alone.
    """
    simulation = _Simulation(aig, codes, extremes)
    for left, right in pairs:
        differing = simulation.of(left) ^ simulation.of(right)
        if differing:
            return Verdict(False, 2 ** len(codes), 0, simulation.pattern(differing))
    with Solver(name=SOLVER) as solver:
        sweep = _Sweep(aig, codes, simulation, solver)
        for left, right in pairs:
            equal = sweep.equal(left, right)
            if not equal:
                model = None if equal is None else sweep.model
                return Verdict(equal, 2 ** len(codes), sweep.queries, model)
        return Verdict(True, 2 ** len(codes), sweep.queries)


class _Simulation:
    """The values of every node for many patterns at once.

    A pattern gives each variable a value. A node's values are one integer, whose bit ``i`` is the
    value in pattern ``i``.
    """

    def __init__(self, aig: Aig, codes: Sequence[int], extremes: Sequence[int]) -> None:
        self.aig = aig
        rows = 2 ** len(codes)
        repeats = max(1, MIN_PATTERNS // rows)
        self.count = rows * repeats
        self.ones = (1 << self.count) - 1
        generator = random.Random(SEED)  # noqa: S311
        # Repeat the rows: multiply one block of bits by a number with a 1 at the start of every
        # block.
        repeat = self.ones // ((1 << rows) - 1)
        values = {node: table * repeat for node, table in aig.tables.items()}
        for place, literal in enumerate(codes):
            block = ((1 << (1 << place)) - 1) << (1 << place)
            values[literal // 2] = self.ones // ((1 << (2 << place)) - 1) * block
        others = [node for node in aig.variables if node not in values]
        for node in others:
            values[node] = generator.getrandbits(self.count)
        self._spread(values, [each // 2 for each in extremes if each // 2 in others], generator)
        self.of_node = aig.simulate(values, self.count)

    def _spread(
        self, values: dict[int, int], nodes: Sequence[int], generator: random.Random
    ) -> None:
        """In about half of the patterns, make all upper bits of a word except the sign equal.

        The sign and the lowest third of the bits stay random.
        """
        if not nodes:
            return
        near, sign = generator.getrandbits(self.count), values[nodes[-1]]
        common = sign ^ generator.getrandbits(self.count)
        for node in nodes[len(nodes) // 3 : -1]:
            values[node] = values[node] & ~near | common & near

    def of(self, literal: int) -> int:
        """The values of a literal in all patterns."""
        return self.of_node[literal >> 1] ^ (self.ones if literal & 1 else 0)

    def pattern(self, chosen: int) -> dict[int, int]:
        """The values of the variables in the first pattern whose bit is set in ``chosen``."""
        index = (chosen & -chosen).bit_length() - 1
        return {2 * node: self.of_node[node] >> index & 1 for node in self.aig.variables}


class _Sweep:
    """Replaces nodes by equal ones, from the inputs to the outputs.

    ``_merged[node]`` is the literal that replaces a node: its own, or that of an earlier node.
    ``_of_codes[node]`` says whether a node depends on the codes alone. ``_by_values`` finds an
    earlier literal that has the same values in simulation.
    """

    def __init__(
        self, aig: Aig, codes: Sequence[int], simulation: _Simulation, solver: Solver
    ) -> None:
        self._aig = aig
        self._codes = codes
        self._simulation = simulation
        self._solver = solver
        self._solver.add_clause([-1])  # node 0 is the constant 0; the solver's first number is 1
        self.queries = 0
        self.model: dict[int, int] | None = None  # from the last pair found to differ
        self._merged = [FALSE] * len(aig)
        self._of_codes = [False] * len(aig)
        self._by_values = {0: 0}
        self._by_fanins: dict[tuple[int, int], int] = {}
        self._of_codes[0] = True
        code_nodes = {literal // 2 for literal in codes}
        for node in range(1, len(aig)):
            self._add(node, code_nodes)

    def _add(self, node: int, code_nodes: set[int]) -> None:
        """Add a node, and merge it with an earlier literal that is equal, if one is found.

        The solver gets the node's clauses unless fan-ins or simulation show that both are equal.
        """
        fanins = self._aig.ands[node]
        own = 2 * node
        if fanins is not None:
            left, right = sorted(self.merged(literal) for literal in fanins)
            own = self._simplified(left, right, own)
            self._of_codes[node] = self._of_codes[left >> 1] and self._of_codes[right >> 1]
        else:
            left = right = FALSE
            self._of_codes[node] = node in code_nodes or node in self._aig.tables
        self._merged[node] = own
        if own != 2 * node:
            return
        values, inverted = self._simulation.of_node[node], 0
        if values & 1:
            values, inverted = values ^ self._simulation.ones, 1
        candidate = self._by_values.setdefault(values, own ^ inverted) ^ inverted
        exact = self._of_codes[node] and self._of_codes[candidate >> 1]
        if candidate != own and exact:
            self._merged[node] = candidate
            return
        if fanins is not None:
            self._by_fanins[left, right] = own
            self._clauses(own, left, right)
        elif node in self._aig.tables:
            self._tabulate(node)
        if candidate != own and self._proved(own, candidate, INNER_CONFLICTS):
            self._merged[node] = candidate

    def _simplified(self, left: int, right: int, own: int) -> int:
        """A known literal equal to ``left & right``, or ``own`` if there is none."""
        if left == FALSE or left == right ^ 1:
            return FALSE
        if left in (TRUE, right):
            return right
        return self._by_fanins.get((left, right), own)

    def merged(self, literal: int) -> int:
        """The literal that replaces ``literal``."""
        return self._merged[literal >> 1] ^ literal & 1

    @staticmethod
    def _signed(literal: int) -> int:
        """The solver's number for a literal."""
        return -(literal // 2 + 1) if literal & 1 else literal // 2 + 1

    def _clauses(self, own: int, left: int, right: int) -> None:
        """Tell the solver that ``own`` is ``left & right``."""
        node, one, other = map(self._signed, (own, left, right))
        for clause in ([-node, one], [-node, other], [node, -one, -other]):
            self._solver.add_clause(clause)

    def _tabulate(self, node: int) -> None:
        """Describe the node of a table to the solver, with one clause for each row of the table."""
        values, own = self._aig.tables[node], self._signed(2 * node)
        for row in range(2 ** len(self._codes)):
            here = [
                self._signed(literal ^ (row >> place & 1))
                for place, literal in enumerate(self._codes)
            ]
            self._solver.add_clause([*here, own if values >> row & 1 else -own])

    def _proved(self, left: int, right: int, conflicts: int) -> bool | None:
        """Whether two literals are always equal; None if the solver gave up."""
        one, other = self._signed(left), self._signed(right)
        for assumptions in ((one, -other), (-one, other)):
            self.queries += 1
            self._solver.conf_budget(conflicts)
            found = self._solver.solve_limited(assumptions=assumptions)
            if found is None:
                return None
            if found:
                model = set(self._solver.get_model())
                self.model = {2 * n: int(n + 1 in model) for n in self._aig.variables}
                return False
            self._solver.add_clause([-literal for literal in assumptions])
        return True

    def equal(self, left: int, right: int) -> bool | None:
        """Whether the two literals are always equal; None if the solver gave up."""
        left, right = self.merged(left), self.merged(right)
        return left == right or self._proved(left, right, OUTPUT_CONFLICTS)
