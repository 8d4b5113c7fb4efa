"""A DFloat11 decoder without a code table: it knows eight fixed codes for the exponents.

``halfbyte.golden.dfloat11.fixed_codes`` defines and chooses the codes. A *symbol* is the
exponent of a BF16 weight, and a *raw byte* is its sign and mantissa. A *chunk* is up to 16384
weights. A *beat* is one transfer on a stream; it has one byte for each symbol that a lane decodes
in a cycle. A *packet* is a run of beats; its last beat has ``last`` set.

Every chunk is two packets, which may go to any lane. The lane returns weights and one verdict:

- ``codes``: the header, the stream of codes, and the CRC in four bytes, the lowest first. The
  header is the number of weights minus 1 in two bytes, the lower first; the highest exponent; and
  the number of the code. The stream has as many beats as its codes need, and begins with the most
  significant byte of its first 32-bit word.
- ``raw``: the raw bytes, one for each weight.

The CRC is CRC-32C of the weights as BF16, little-endian. For an invalid header, the verdict is
``WRONG_LENGTH``.
"""

from halfbyte.rtl.dfloat11.fixed.decoder import FixedDecoder
from halfbyte.rtl.dfloat11.fixed.lane import FixedLane

__all__ = ["FixedDecoder", "FixedLane"]
