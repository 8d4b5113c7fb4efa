"""A DFloat11 decoder without a code table: it knows eight fixed codes for the exponents.

A *code* gives each exponent a *code word*, a string of bits.
``halfbyte.golden.dfloat11.fixed_codes`` defines the codes and chooses one. A *symbol* is the
exponent of a BF16 weight, and a *raw byte* is its sign and mantissa. A *chunk* is up to 16384
weights. A *beat* is one transfer on a stream; it has one byte for each symbol that a lane decodes
in a cycle. A *packet* is a run of beats; its last beat has ``last`` set.

Every chunk is two packets, which may go to any lane. The lane returns weights and one verdict:

- ``codes``: the header, the stream of code words, and the CRC in four bytes, the lowest first. The
  header is the number of weights minus 1 in two bytes, the lower first; the highest exponent, from
  which the code counts down; and the number of the code. The stream has as many beats as its code
  words need. The first bit of the stream is the most significant bit of its first byte.
- ``raw``: the raw bytes, one for each weight.

The CRC is CRC-32C of the weights as BF16, little-endian. For an invalid header, the verdict is
``WRONG_LENGTH``.
"""

from halfbyte.rtl.dfloat11.fixed.decoder import FixedDecoder
from halfbyte.rtl.dfloat11.fixed.lane import FixedLane

__all__ = ["FixedDecoder", "FixedLane"]
