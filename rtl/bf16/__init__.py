"""A BF16 MAC with an FP32 accumulator, for weights that are not quantized."""

from halfbyte.rtl.bf16.mac import Bf16Mac

__all__ = ["Bf16Mac"]
