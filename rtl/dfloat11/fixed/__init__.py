"""A decoder without a table: it knows eight fixed codes for exponents.

``golden.dfloat11.fixed_codes`` defines the codes and chooses one for a tensor. Every chunk is two
packets, which may go to any lane. The lane answers with weights and one verdict:

- ``codes``: the header (number of elements minus 1 in two bytes, the lower first; the highest
  exponent; the number of the code), the chunk's stream, the CRC in four bytes, the lowest first.
  The stream has as many beats as its codes need, and begins with the most significant byte of its
  first word.
- ``raw``: the chunk's raw bytes, one for each element.

A beat has one byte for each symbol that the lane decodes in a cycle.

The CRC is CRC-32C of the weights as BF16, little-endian. After an invalid header, the verdict is
that the length is wrong.
"""

from halfbyte.rtl.dfloat11.fixed.decoder import FixedDecoder
from halfbyte.rtl.dfloat11.fixed.lane import FixedLane

__all__ = ["FixedDecoder", "FixedLane"]
