"""The names of the modules that are synthesized and proved, and of those that are told apart."""

__all__ = ["ADDEND", "MAC", "MULTIPLIER", "RESOLVE"]

# As in ``MacSpec.parts``.
MAC = "mac"
MULTIPLIER = "multiplier"
# The part of a MAC that depends on the few bits of the codes only and is searched by itself.
ADDEND = "mac.addend"
# The final addition of saved carries, which has no clock to meet.
RESOLVE = "mac.resolve"
