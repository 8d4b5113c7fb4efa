"""Counts what a regression covers of one MAC: pairs of codes, and corners.

A regression simulates a MAC in several scenarios and compares all sums with the golden model. A
corner is a situation that a regression should produce, such as an accumulator at its limit.
"""

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from halfbyte.rtl import MacSpec
from halfbyte.sim.plan import Plan
from halfbyte.sim.records import Coverage

__all__ = ["CORNERS", "coverage"]

CORNERS = {
    "zero": "acc is 0",
    "minus_one": "acc is -1, all bits set",
    "upper_limit": "acc is its highest value",
    "lower_limit": "acc is its lowest value",
    "above": "a sum is above the upper limit",
    "below": "a sum is below the lower limit",
    "leaves_upper": "acc comes down from the upper limit",
    "leaves_lower": "acc comes up from the lower limit",
    "sum_cleared": "a clear ends a sum that is not 0",
    "clear_ignored": "enable is low while clear is high",
    "held": "enable is low while the product is not 0",
}


def coverage(plans: Iterable[Plan], spec: MacSpec, field: int) -> Coverage:
    """Count the pairs of codes and the corners that occur in the plans of a passed simulation.

    ``field`` is the index of the MAC's accumulator in the plans. The corners are those of
    :data:`CORNERS`, but a MAC without an enable port lacks the two corners in which enable is low.
    """
    pairs = np.zeros(1 << spec.code_bits, dtype=bool)
    corners = dict.fromkeys(CORNERS, 0)
    for plan in plans:
        for name, count in _of_plan(plan, spec, field, pairs).items():
            corners[name] += count
    if not spec.enable:
        del corners["clear_ignored"], corners["held"]
    return Coverage(code_pairs=int(pairs.sum()), all_code_pairs=len(pairs), corners=corners)


def _of_plan(plan: Plan, spec: MacSpec, field: int, pairs: NDArray[np.bool_]) -> dict[str, int]:
    """The number of cycles of one plan in each corner; also marks its code pairs in ``pairs``."""
    w, a, clear, enable = plan.columns
    taken = enable if spec.enable else np.ones(len(w), dtype=bool)
    pairs[(w | a << spec.weight.bits)[taken]] = True
    acc = plan.expected[field]
    before = np.concatenate(([0], acc[:-1]))
    integers = (np.array(fmt.integers, dtype=object) for fmt in (spec.weight, spec.activation))
    product = np.multiply(*(each[code] for each, code in zip(integers, (w, a), strict=True)))
    total = np.where(clear, 0, before).astype(object) + product  # exact, even for 64 bits
    high = (1 << spec.width - 1) - 1
    low = ~high
    seen = {
        "zero": acc == 0,
        "minus_one": acc == -1,
        "upper_limit": acc == high,
        "lower_limit": acc == low,
        "above": total > high,
        "below": total < low,
        "leaves_upper": (before == high) & ~clear & (product < 0),
        "leaves_lower": (before == low) & ~clear & (product > 0),
        "sum_cleared": clear & (before != 0),
    }
    counts = {name: int((mask & taken).sum()) for name, mask in seen.items()}
    counts["clear_ignored"] = int((clear & ~taken).sum())
    counts["held"] = int(((product != 0) & ~taken).sum())
    return counts
