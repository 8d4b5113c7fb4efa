"""Compares the results of the simulator with the expected results, cycle by cycle."""

from halfbyte.sim.plan import Plan

__all__ = ["MismatchError", "Scoreboard"]


class MismatchError(AssertionError):
    """A simulated result differs from the expected one, or is missing."""


class Scoreboard:
    """Compares the accumulators of one scenario, cycle by cycle.

    All accumulators of a cycle are compared as one integer, so 100,000 cycles take about a second.
    Only if they differ is this integer split into the single accumulators.

    Parameters
    ----------
    plan : Plan
        The inputs and the expected results.
    scenario : str
        Name of the scenario, for messages.
    """

    def __init__(self, plan: Plan, scenario: str) -> None:
        self._plan = plan
        self._scenario = scenario
        self._expected = self._packed()
        self.cycles = 0

    def _packed(self) -> list[int]:
        """The expected value of the whole port ``acc`` in each cycle."""
        layout = self._plan.layout
        total = [0] * len(self._plan.stimulus)
        for field, offset, column in zip(
            layout.fields, layout.offsets, self._plan.expected.tolist(), strict=True
        ):
            mask = (1 << field.width) - 1
            total = [low | (acc & mask) << offset for low, acc in zip(total, column, strict=True)]
        return total

    @property
    def left(self) -> int:
        """Number of cycles that have not been checked yet."""
        return len(self._expected) - self.cycles

    @property
    def products(self) -> int:
        """Number of products checked so far, in all accumulators together."""
        return self._plan.products_until(self.cycles)

    def check(self, acc: int) -> None:
        """Compare ``acc`` with the next cycle's results; raise MismatchError if they differ."""
        if acc != self._expected[self.cycles]:
            raise MismatchError(self.report(acc))
        self.cycles += 1

    def report(self, acc: int | str) -> str:
        """Describe a mismatch: the inputs of the cycle, and every accumulator that differs.

        ``acc`` is the value of the whole port, or its bits as text if some bit is neither 0 nor 1.
        """
        layout, cycle = self._plan.layout, self.cycles
        lines = [
            f"{layout.title}: mismatch in scenario {self._scenario}, cycle {cycle} "
            f"(seed {layout.seed})",
            f"  {self._inputs(cycle)}",
        ]
        if isinstance(acc, str):
            return "\n".join([*lines, f"  acc has unresolved bits: {acc}"])
        for field, offset, column in zip(
            layout.fields, layout.offsets, self._plan.expected, strict=True
        ):
            seen = _signed(acc >> offset, field.width)
            expected = int(column[cycle])
            if seen != expected:
                before = int(column[cycle - 1]) if cycle else "unknown"
                lines.append(
                    f"  {field.name} ({field.width} bits): expected {expected}, seen {seen}, "
                    f"before {before}, in units of {layout.unit}"
                )
        return "\n".join(lines)

    def _inputs(self, cycle: int) -> str:
        """The inputs of a cycle as text: the codes with their values, and the flags."""
        layout = self._plan.layout
        word = int(self._plan.stimulus[cycle])
        w, word = word & (1 << layout.w_bits) - 1, word >> layout.w_bits
        a, word = word & (1 << layout.a_bits) - 1, word >> layout.a_bits
        return (
            f"w = code {w:0{layout.w_bits}b} ({layout.w_values[w]}), "
            f"a = code {a:0{layout.a_bits}b} ({layout.a_values[a]}), "
            f"clear {word & 1}, enable {word >> 1 & 1}"
        )


def _signed(word: int, width: int) -> int:
    """The low ``width`` bits of ``word`` as two's complement."""
    word &= (1 << width) - 1
    return word - (1 << width) if word >> (width - 1) else word
