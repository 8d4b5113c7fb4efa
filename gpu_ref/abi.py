"""The structures of the C interface, as ``api.h`` and the headers below it declare them."""

import ctypes
from ctypes import (
    POINTER,
    c_float,
    c_int32,
    c_int64,
    c_uint8,
    c_uint16,
    c_uint32,
    c_uint64,
    c_void_p,
)
from typing import Any

__all__ = [
    "STRUCTURES",
    "CodedOperand",
    "Container",
    "Context",
    "Decode",
    "DecodePublished",
    "Dequantize",
    "Expand",
    "FormatTable",
    "Layout",
    "MacStream",
    "Operand",
    "PlainProduct",
    "Product",
    "Quantize",
    "Refusals",
    "ScaleFormat",
    "Unit",
    "UnitProduct",
    "UnitStream",
    "prototypes",
    "tile_prototypes",
]

MAX_CODES = 256


class Encoder(ctypes.Structure):
    """``Encoder`` in arithmetic.h."""

    _fields_ = (
        ("bits", c_int32),
        ("thresholds", c_float * MAX_CODES),
        ("codes", c_uint8 * MAX_CODES),
    )


class Decoder(ctypes.Structure):
    """``Decoder`` in arithmetic.h."""

    _fields_ = (
        ("bits", c_int32),
        ("magnitude", c_int32),
        ("quantum", c_float),
        ("integers", c_int32 * MAX_CODES),
    )


class Largest(ctypes.Structure):
    """``Largest`` in arithmetic.h."""

    _fields_ = (
        ("value", c_float),
        ("exponent", c_int32),
        ("significand", c_int32),
        ("middle", c_int32),
    )


class FormatTable(ctypes.Structure):
    """``Format`` in arithmetic.h."""

    _fields_ = (("encoder", Encoder), ("decoder", Decoder), ("largest", Largest))


class Context(ctypes.Structure):
    """The device and threads for a call."""

    _fields_ = (("device", c_int32), ("threads", c_int32), ("stream", c_void_p))


class Refusals(ctypes.Structure):
    """Counters of refused values."""

    _fields_ = (
        ("nans", c_int64),
        ("infinities", c_int64),
        ("scales", c_int64),
        ("results", c_int64),
    )


class Quantize(ctypes.Structure):
    """``Quantize`` in quantize.h."""

    _fields_ = (
        ("x", c_void_p),
        ("element", c_int32),
        ("rule", c_int32),
        ("rows", c_int64),
        ("length", c_int64),
        ("block", c_int64),
        ("clips", c_void_p),
        ("clip", c_float),
        ("whole", c_float),
        ("codes", c_void_p),
        ("scales", c_void_p),
        ("refusals", c_void_p),
    )


class Operand(ctypes.Structure):
    """Packed codes and their scales."""

    _fields_ = (("codes", c_void_p), ("scales", c_void_p))


class Dequantize(ctypes.Structure):
    """``Dequantize`` in quantize.h."""

    _fields_ = (
        ("operand", Operand),
        ("rows", c_int64),
        ("length", c_int64),
        ("block", c_int64),
        ("x", c_void_p),
    )


class MacStream(ctypes.Structure):
    """``MacStream`` in mac_stream.h."""

    _fields_ = (
        ("w", c_void_p),
        ("a", c_void_p),
        ("clear", c_void_p),
        ("enable", c_void_p),
        ("initial", c_void_p),
        ("acc", c_void_p),
        ("streams", c_int64),
        ("cycles", c_int64),
        ("stream_stride", c_int64),
        ("cycle_stride", c_int64),
        ("acc_width", c_int32),
        ("overflow", c_int32),
    )


class Layout(ctypes.Structure):
    """``Layout`` in expand.h."""

    _fields_ = (
        ("rows", c_int64),
        ("length", c_int64),
        ("block", c_int64),
        ("blocks", c_int64),
        ("padded_rows", c_int64),
        ("block_bytes", c_int64),
        ("row_length", c_int64),
    )


class Expand(ctypes.Structure):
    """``Expand`` in expand.h."""

    _fields_ = (
        ("operand", Operand),
        ("layout", Layout),
        ("integers", c_void_p),
        ("steps", c_void_p),
    )


class Product(ctypes.Structure):
    """``Product`` in expand.h."""

    _fields_ = (
        ("a", c_void_p),
        ("w", c_void_p),
        ("a_steps", c_void_p),
        ("w_steps", c_void_p),
        ("a_layout", Layout),
        ("w_layout", Layout),
        ("y", c_void_p),
        ("overflows", c_void_p),
    )


class PlainProduct(ctypes.Structure):
    """``PlainProduct`` in api.h."""

    _fields_ = (
        ("a", Operand),
        ("w", Operand),
        ("m", c_int64),
        ("n", c_int64),
        ("length", c_int64),
        ("block", c_int64),
        ("y", c_void_p),
        ("overflows", c_void_p),
    )


class RowsProduct(ctypes.Structure):
    """``RowsProduct`` in gemm_rows.h."""

    _fields_ = (
        ("a", c_void_p),
        ("a_steps", c_void_p),
        ("a_layout", Layout),
        ("w", Operand),
        ("n", c_int64),
        ("y", c_void_p),
        ("overflows", c_void_p),
    )


class ScaleFormat(ctypes.Structure):
    """``ScaleFormat`` in dot_unit.h."""

    _fields_ = (("bits", c_int32), ("mantissa_bits", c_int32), ("quantum_exponent", c_int32))


class Unit(ctypes.Structure):
    """``Unit`` in dot_unit.h."""

    _fields_ = (
        ("accumulator", c_int32),
        ("acc_width", c_int32),
        ("overflow", c_int32),
        ("quantum_exponent", c_int32),
        ("window_low", c_int32),
        ("window_high", c_int32),
        ("scale", ScaleFormat),
    )


class UnitStream(ctypes.Structure):
    """``UnitStream`` in unit_kernels.h."""

    _fields_ = (
        ("w", c_void_p),
        ("a", c_void_p),
        ("clear", c_void_p),
        ("last", c_void_p),
        ("w_scales", c_void_p),
        ("a_scales", c_void_p),
        ("initial", c_int64),
        ("acc", c_void_p),
        ("is_nan", c_void_p),
        ("streams", c_int64),
        ("cycles", c_int64),
        ("lanes", c_int64),
    )


class CodedOperand(ctypes.Structure):
    """``CodedOperand`` in unit_kernels.h."""

    _fields_ = (("codes", c_void_p), ("scales", c_void_p))


class UnitProduct(ctypes.Structure):
    """``UnitProduct`` in unit_kernels.h."""

    _fields_ = (
        ("a", CodedOperand),
        ("w", CodedOperand),
        ("m", c_int64),
        ("n", c_int64),
        ("length", c_int64),
        ("block", c_int64),
        ("blocks", c_int64),
        ("acc", c_void_p),
        ("is_nan", c_void_p),
    )


class Container(ctypes.Structure):
    """``dfloat11::Container`` in dfloat11_container.h."""

    _fields_ = (
        ("elements", c_int64),
        ("chunks", c_int64),
        ("stream_words", c_int64),
        ("crcs", c_int64),
        ("starts", c_int64),
        ("lengths", c_int64),
        ("stream", c_int64),
        ("raw", c_int64),
        ("size", c_int64),
        ("type", c_int32),
        ("dimensions", c_int32),
        ("max_length", c_int32),
        ("wide", c_int32),
        ("shape", c_uint64 * 256),
        ("lookup", c_uint16 * 4096),
    )


class Decode(ctypes.Structure):
    """``dfloat11::Decode`` in dfloat11_own.h."""

    _fields_ = (
        ("crcs", c_void_p),
        ("starts", c_void_p),
        ("lengths", c_void_p),
        ("stream", c_void_p),
        ("raw", c_void_p),
        ("lookup", c_void_p),
        ("out", c_void_p),
        ("failure", c_void_p),
        ("elements", c_int64),
        ("chunks", c_int64),
        ("stream_words", c_int64),
        ("max_length", c_int32),
        ("wide", c_int32),
        ("verify", c_int32),
    )


class DecodePublished(ctypes.Structure):
    """``dfloat11::DecodePublished`` in dfloat11_published.h."""

    _fields_ = (
        ("luts", c_void_p),
        ("stream", c_void_p),
        ("other", c_void_p),
        ("gaps", c_void_p),
        ("positions", c_void_p),
        ("out", c_void_p),
        ("failure", c_void_p),
        ("rows", c_int64),
        ("bytes", c_int64),
        ("elements", c_int64),
        ("gap_bytes", c_int64),
        ("position_count", c_int64),
    )


class JointContainer(ctypes.Structure):
    """``dfloat11::JointContainer`` in dfloat11_joint_container.h."""

    _fields_ = (
        *((name, c_int64) for name in (
            "elements", "chunks", "words", "escapes", "raw_bytes",
            "crcs", "sizes", "stream", "escaped", "raw", "size")),
        *((name, c_int32) for name in (
            "type", "bytes", "width", "shift", "escape", "rows", "base", "dimensions")),
        ("slots", c_uint32 * 4096),
    )  # fmt: skip


class DecodeJoint(ctypes.Structure):
    """``dfloat11::DecodeJoint`` in dfloat11_joint.h."""

    _fields_ = (
        *((name, c_void_p) for name in (
            "crcs", "sizes", "starts", "words", "escapes", "raw", "slots", "out", "failure")),
        *((name, c_int64) for name in ("elements", "chunks", "raw_words")),
        *((name, c_int32) for name in (
            "bytes", "width", "shift", "escape", "rows", "base", "verify")),
    )  # fmt: skip


class JointProduct(ctypes.Structure):
    """``dfloat11::JointProduct`` in dfloat11_product.h."""

    _fields_ = (
        ("weights", DecodeJoint),
        *((name, c_void_p) for name in ("plain", "x", "sums", "y")),
        *((name, c_int64) for name in ("outputs", "inputs", "parts")),
        ("vectors", c_int32),
    )


# In the order of hb_sizes().
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
    """Argument types of the functions that the build ``cuda`` or ``host`` has, by name."""
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
    """Argument types of the functions in the library of further tensor-core products."""
    return {"hb_gemm_tile": (POINTER(Context), POINTER(Product), c_int32, c_int32)}
