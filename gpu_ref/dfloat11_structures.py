"""Declares the structures of the C interface for DFloat11, as the ``dfloat11_*.h`` headers do."""

import ctypes
from ctypes import c_int32, c_int64, c_uint16, c_uint32, c_uint64, c_void_p

__all__ = [
    "Container",
    "Decode",
    "DecodeJoint",
    "DecodePublished",
    "JointContainer",
    "JointProduct",
]


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
