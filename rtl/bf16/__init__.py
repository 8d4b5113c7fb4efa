"""A BF16 MAC with FP32 accumulation: what lossless weights are multiplied with."""

from halfbyte.rtl.bf16.mac import Bf16Mac

__all__ = ["Bf16Mac"]
