"""Names of the modules that are synthesized and proved correct, and of two parts of a MAC."""

__all__ = ["ADDEND", "MAC", "MULTIPLIER", "RESOLVE"]

# The same names as in ``MacSpec.parts``.
MAC = "mac"
MULTIPLIER = "multiplier"
# The part of a MAC that depends only on the two codes: its multiplier, and the inverters for a
# negative product. Synthesis minimizes it separately.
ADDEND = "mac.addend"
# The last adder of a carry-save accumulator, which does not have to meet the clock.
RESOLVE = "mac.resolve"
