"""Declares, for ctypes, the C structures for formats, the quantizer, products and dot products.

The headers in ``cuda/`` explain the fields.
"""

import ctypes
from ctypes import c_float, c_int32, c_int64, c_uint8, c_void_p

__all__ = [
    "CodedOperand",
    "Context",
    "Decoder",
    "Dequantize",
    "Encoder",
    "Expand",
    "FormatTable",
    "Largest",
    "Layout",
    "MacStream",
    "Operand",
    "PlainProduct",
    "Product",
    "Quantize",
    "Refusals",
    "RowsProduct",
    "ScaleFormat",
    "Unit",
    "UnitProduct",
    "UnitStream",
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
    """``Context`` in api.h: the device and stream, or the number of threads, for a call."""

    _fields_ = (("device", c_int32), ("threads", c_int32), ("stream", c_void_p))


class Refusals(ctypes.Structure):
    """``Refusals`` in quantize.h: counters of what cannot be quantized."""

    _fields_ = (
        ("nans", c_int64),
        ("infinities", c_int64),
        ("scales", c_int64),
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
    """``Operand`` in arithmetic.h: packed codes and their scales."""

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
    """``Product`` in product.h."""

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
        ("blocks", c_int64),
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
