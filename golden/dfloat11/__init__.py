"""DFloat11: lossless weights in about ten and a half bits, by a variable-length exponent code.

There are two layouts of our own: :func:`compress` writes the one that hardware decodes,
:mod:`halfbyte.golden.dfloat11.joint` writes the smaller one, and :func:`decompress` reads both.
:mod:`halfbyte.golden.dfloat11.published` has the layout of the ``dfloat11`` package.
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
    pieces,
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
    "pieces",
    "prepare",
    "read_header",
    "symbol_counts",
]
