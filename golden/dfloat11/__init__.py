"""DFloat11: weights without loss in about ten and a half bits, by a code of their exponents.

The own layouts (:func:`compress` writes the one that hardware decodes,
:mod:`halfbyte.golden.dfloat11.joint` the smaller one, :func:`decompress` reads both) and that of
the ``dfloat11`` package (:mod:`halfbyte.golden.dfloat11.published`).
``docs/dfloat11.md`` describes them.
"""

from halfbyte.golden.dfloat11.codec import (
    CODES,
    Measured,
    compress,
    measure,
    symbol_counts,
)
from halfbyte.golden.dfloat11.devices import prepare
from halfbyte.golden.dfloat11.elements import ElementType, element_type
from halfbyte.golden.dfloat11.fixed_codes import FixedCode
from halfbyte.golden.dfloat11.fixed_packets import fixed_packets
from halfbyte.golden.dfloat11.layout import CorruptError, TensorHeader
from halfbyte.golden.dfloat11.layouts import (
    Header,
    decompress,
    decompress_chunks,
    layout_of,
    opened,
    read_header,
)

__all__ = [
    "CODES",
    "CorruptError",
    "ElementType",
    "FixedCode",
    "Header",
    "Measured",
    "TensorHeader",
    "compress",
    "decompress",
    "decompress_chunks",
    "element_type",
    "fixed_packets",
    "layout_of",
    "measure",
    "opened",
    "prepare",
    "read_header",
    "symbol_counts",
]
