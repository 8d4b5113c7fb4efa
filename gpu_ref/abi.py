"""Declares the C functions of the kernels and lists their structures, for ctypes.

``cuda/api.h`` and ``cuda/tiles.h`` declare these functions in C.
"""

import ctypes
from ctypes import POINTER, c_int32, c_int64, c_void_p
from typing import Any

from halfbyte.gpu_ref.dfloat11_structures import (
    Container,
    Decode,
    DecodeJoint,
    DecodePublished,
    JointContainer,
    JointProduct,
)
from halfbyte.gpu_ref.structures import (
    Context,
    Dequantize,
    Expand,
    FormatTable,
    Layout,
    MacStream,
    PlainProduct,
    Product,
    Quantize,
    Refusals,
    RowsProduct,
    Unit,
    UnitProduct,
    UnitStream,
)

__all__ = ["STRUCTURES", "prototypes", "tile_prototypes"]

# The structures whose sizes Library compares with those in C, in the order of hb_sizes() in
# api_common.h.
STRUCTURES: tuple[type[ctypes.Structure], ...] = (
    FormatTable,
    Context,
    Refusals,
    Quantize,
    Dequantize,
    MacStream,
    Layout,
    Expand,
    Product,
    PlainProduct,
    Container,
    Decode,
    DecodePublished,
    RowsProduct,
    JointContainer,
    DecodeJoint,
    JointProduct,
    Unit,
    UnitStream,
    UnitProduct,
)


def prototypes(kind: str) -> dict[str, tuple[Any, ...]]:
    """The argument types of the kernels' functions, by name, in the build ``cuda`` or ``host``."""
    context, table = POINTER(Context), POINTER(FormatTable)
    plain, product = POINTER(PlainProduct), POINTER(Product)
    shared: dict[str, tuple[Any, ...]] = {
        "hb_absmax": (context, POINTER(Quantize)),
        "hb_scales": (context, table, POINTER(Quantize)),
        "hb_encode": (context, table, POINTER(Quantize)),
        "hb_quantize": (context, table, POINTER(Quantize), c_int32),
        "hb_dequantize": (context, table, POINTER(Dequantize)),
        "hb_mac_stream": (context, table, table, POINTER(MacStream)),
        "hb_unit_stream": (context, table, table, POINTER(Unit), POINTER(UnitStream)),
        "hb_unit_product": (context, table, table, POINTER(Unit), POINTER(UnitProduct)),
        "hb_expand": (context, table, POINTER(Expand)),
        "hb_gemm_plain": (context, table, table, plain),
        "hb_gemm_dp4a": (context, product),
        "hb_gemm_rows": (context, table, POINTER(RowsProduct)),
        "hb_gemm_mma": (context, product, c_int32),
        "hb_dfloat11_decode": (context, POINTER(Decode)),
        "hb_dfloat11_published": (context, POINTER(DecodePublished)),
        "hb_dfloat11_read": (c_void_p, c_int64, c_int64, POINTER(Container)),
        "hb_dfloat11_check": (POINTER(DecodePublished),),
        "hb_dfloat11_read_joint": (c_void_p, c_int64, c_int64, POINTER(JointContainer)),
        "hb_dfloat11_index": (POINTER(JointContainer), c_void_p, c_void_p),
        "hb_dfloat11_joint": (context, POINTER(DecodeJoint)),
        "hb_dfloat11_product": (context, POINTER(JointProduct)),
    }
    if kind == "cuda":
        return shared
    return {
        **shared,
        "hb_gemm_pairs": (context, table, table, plain),
        "hb_gemm_doubles": (context, table, table, plain),
    }


def tile_prototypes() -> dict[str, tuple[Any, ...]]:
    """The argument types of the function in the library that :func:`.build_tiles` compiles."""
    return {"hb_gemm_tile": (POINTER(Context), POINTER(Product), c_int32, c_int32)}
