"""DFloat11 stores BF16 weights without loss, in about ten and a half bits each.

An entropy code makes the exponents of the weights shorter. halfbyte has two layouts of its own.
:func:`compress` writes layout 1 (prefix), which halfbyte's hardware decodes.
:mod:`halfbyte.golden.dfloat11.joint` writes layout 2 (joint), which is smaller. :func:`decompress`
reads both. :mod:`halfbyte.golden.dfloat11.published` writes and reads the layout of the
``dfloat11`` package, which the authors of DFloat11 published. ``docs/dfloat11.md`` describes all
three layouts.
"""

from halfbyte.golden.dfloat11.codec import (
    CODES,
    Measured,
    compress,
    measure,
    measure_with,
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
from halfbyte.golden.dfloat11.table_packets import table_packets

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
    "measure_with",
    "opened",
    "pieces",
    "prepare",
    "read_header",
    "symbol_counts",
    "table_packets",
]
