"""DFloat11: weights without loss in about eleven bits, by a prefix code of their exponents.

The own layout (:func:`compress`, :func:`decompress`) and that of the ``dfloat11`` package
(:mod:`halfbyte.golden.dfloat11.published`). ``docs/dfloat11.md`` describes both.
"""

from halfbyte.golden.dfloat11.codec import (
    CODES,
    Measured,
    compress,
    decompress,
    decompress_chunks,
    measure,
    symbol_counts,
)
from halfbyte.golden.dfloat11.devices import prepare
from halfbyte.golden.dfloat11.elements import ElementType, element_type
from halfbyte.golden.dfloat11.fixed_codes import FixedCode
from halfbyte.golden.dfloat11.fixed_packets import fixed_packets
from halfbyte.golden.dfloat11.layout import CorruptError, TensorHeader, read_header

__all__ = [
    "CODES",
    "CorruptError",
    "ElementType",
    "FixedCode",
    "Measured",
    "TensorHeader",
    "compress",
    "decompress",
    "decompress_chunks",
    "element_type",
    "fixed_packets",
    "measure",
    "prepare",
    "read_header",
    "symbol_counts",
]
