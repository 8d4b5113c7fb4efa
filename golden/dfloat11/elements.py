"""Defines the element types of the codec, and how an element splits into symbol and raw bits.

The symbol is coded. The raw bits are stored as they are.
"""

from dataclasses import dataclass

import torch

__all__ = ["ELEMENT_TYPES", "ElementType", "element_type"]


@dataclass(frozen=True)
class ElementType:
    """A type of elements, and how the codec treats it.

    Parameters
    ----------
    name : str
        Name in safetensors.
    code : int
        Its number in the header of a compressed tensor.
    torch_dtype : torch.dtype
        Type in PyTorch.
    rows, max_length : int
        Default limits: rows of the code table, and bits of a code. The exponents of trained weights
        have few different values. So BF16 has a table for fifteen exponents, with an escape code
        for all others, and codes of at most ten bits. These limits cost less than 0.01 bits per
        weight, and such a table is small in hardware. Symbols of the other types hold more than an
        exponent, or no exponent, and usually take many more different values.
    """

    name: str
    code: int
    torch_dtype: torch.dtype
    rows: int
    max_length: int

    @property
    def bytes(self) -> int:
        """Bytes of an element."""
        return self.torch_dtype.itemsize

    @property
    def shift(self) -> int:
        """The position of the symbol's lowest bit.

        In 16-bit elements, bits 14 to 7 are the symbol: BF16's exponent, or FP16's exponent and the
        three upper bits of its mantissa. The sign and the lower seven bits are raw. In 8-bit
        elements, all bits are the symbol.
        """
        return 7 if self.bytes == 2 else 0

    @property
    def raw_bytes(self) -> int:
        """Bytes of an element's raw bits."""
        return self.bytes - 1


ELEMENT_TYPES = {
    each.name: each
    for each in (
        ElementType("BF16", 1, torch.bfloat16, 16, 10),
        ElementType("F16", 2, torch.float16, 256, 12),
        ElementType("F8_E4M3", 3, torch.float8_e4m3fn, 256, 12),
        ElementType("F8_E5M2", 4, torch.float8_e5m2, 256, 12),
        ElementType("I8", 5, torch.int8, 256, 12),
        ElementType("U8", 6, torch.uint8, 256, 12),
    )
}
"""The types by name. ``U8`` is for codes of quantized weights, one per byte."""


def element_type(dtype: torch.dtype) -> ElementType | None:
    """The element type of tensors of type ``dtype``; None if the codec does not support them."""
    return next((each for each in ELEMENT_TYPES.values() if each.torch_dtype == dtype), None)
