"""A BF16 MAC with FP32 accumulation, for lossless weights."""

from halfbyte.rtl.bf16.mac import Bf16Mac

__all__ = ["Bf16Mac"]
