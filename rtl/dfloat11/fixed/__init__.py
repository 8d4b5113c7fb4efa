"""A decoder without a table: exponents in one of eight codes that it knows.

``golden.dfloat11.fixed_codes`` says what the codes are, and chooses one for a tensor. Every chunk
is two packets for any lane, and gives weights and one verdict:

- ``codes``: the header (number of elements minus 1 in two bytes, the lower first; the highest
  exponent; the number of the code), the chunk's stream, the CRC in four bytes, the lowest first.
  The stream has as many beats as its codes need, and begins with the most significant byte of its
  first word.
- ``raw``: the chunk's raw bytes, one for each element.

A beat has as many bytes as the lane decodes symbols in a cycle.

The CRC is CRC-32C of the weights as BF16, little-endian. A header without meaning is refused as of
a wrong length.
"""

from halfbyte.rtl.dfloat11.fixed.decoder import FixedDecoder
from halfbyte.rtl.dfloat11.fixed.lane import FixedLane

__all__ = ["FixedDecoder", "FixedLane"]
