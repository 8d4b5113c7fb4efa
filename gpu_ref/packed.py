"""Holds quantized tensors as the kernels read them: packed codes and one scale per block."""

from dataclasses import InitVar, dataclass

import torch
from torch import Tensor

from halfbyte.formats import MAX_TERMS, Format
from halfbyte.golden import Quantized, pack, unpack
from halfbyte.golden.checks import check_codes, check_format, check_integer
from halfbyte.gpu_ref.build import format_table
from halfbyte.gpu_ref.library import library_for
from halfbyte.gpu_ref.structures import Dequantize, Operand

__all__ = ["Packed", "row_bytes"]

PAIR_BITS = 4  # codes of at most this many bits lie two in a byte


def row_bytes(fmt: Format, length: int) -> int:
    """Bytes of a row of ``length`` packed codes of the format ``fmt``."""
    return -(-length // 2) if fmt.bits <= PAIR_BITS else length


@dataclass(frozen=True, eq=False)
class Packed:
    """A quantized tensor on the CPU or a GPU.

    Parameters
    ----------
    codes : Tensor
        (..., bytes) uint8. Codes of at most 4 bits lie two in a byte, the even index in the low
        half. Wider codes lie one in a byte.
    scales : Tensor
        (..., ceil(length / block)) float32, finite and not 0. A negative scale negates all values
        of its block: the block is *mirrored*.
    format : Format
        What the codes mean.
    length : int
        Elements of the last dimension.
    block : int
        Elements that share a scale, 1 to 2^20.
    """

    codes: Tensor
    scales: Tensor
    format: Format
    length: int
    block: int
    trusted: InitVar[bool] = False  # whether the kernels made the values, which then need no check

    def __post_init__(self, trusted: bool) -> None:
        check_format(self.format)
        check_integer("length", self.length, 0, 2**31 - 1)
        check_integer("block", self.block, 1, MAX_TERMS)
        for name, tensor, dtype in (
            ("Packed codes", self.codes, torch.uint8),
            ("Block scales", self.scales, torch.float32),
        ):
            if not isinstance(tensor, Tensor) or tensor.dtype != dtype:
                kind = tensor.dtype if isinstance(tensor, Tensor) else type(tensor).__name__
                raise TypeError(f"{name} must be a {dtype} tensor, not {kind}")
            if tensor.ndim == 0:
                raise ValueError(f"{name} must have at least one dimension, not 0")
        if self.codes.device != self.scales.device:
            raise ValueError(
                "Codes and scales must be on one device, not on "
                f"{self.codes.device} and {self.scales.device}"
            )
        rows = self.codes.shape[:-1]
        shapes = (*rows, row_bytes(self.format, self.length)), (*rows, self.blocks)
        if self.codes.shape != shapes[0] or self.scales.shape != shapes[1]:
            raise ValueError(
                f"{self.length} codes of {self.format.bits} bits in blocks of {self.block} must "
                f"have shapes {shapes[0]} and {shapes[1]} of bytes and scales, not "
                f"{tuple(self.codes.shape)} and {tuple(self.scales.shape)}"
            )
        if not trusted:
            self._check_values()

    def _check_values(self) -> None:
        bad = int(((self.scales == 0) | ~self.scales.isfinite()).sum())
        if bad:
            raise ValueError(f"Block scales must be finite and not 0; {bad} of them are not")
        check_codes(self.unpacked(), self.format)

    @property
    def blocks(self) -> int:
        """Number of blocks in a row."""
        return -(-self.length // self.block)

    @property
    def shape(self) -> torch.Size:
        """Shape of the tensor that was quantized."""
        return torch.Size((*self.codes.shape[:-1], self.length))

    @property
    def device(self) -> torch.device:
        """Where the codes and scales are."""
        return self.codes.device

    @property
    def kernel_block(self) -> int:
        """The block size for the kernels: at most the length of a row."""
        return max(1, min(self.block, self.length))

    def to(self, device: torch.device | str) -> "Packed":
        """The same tensor on ``device``."""
        codes, scales = self.codes.to(device), self.scales.to(device)
        return Packed(codes, scales, self.format, self.length, self.block, trusted=True)

    def unpacked(self) -> Tensor:
        """One code per element; (..., length) uint8."""
        if self.format.bits > PAIR_BITS:
            return self.codes
        return unpack(self.codes, self.length)

    def dequantize(self) -> Tensor:
        """The values that the codes stand for, computed by the kernel; (..., length) float32."""
        x = torch.empty(self.shape, dtype=torch.float32, device=self.device)
        if x.numel():
            operand, keep = self.operand()
            call = Dequantize(
                operand=operand,
                rows=x.numel() // self.length,
                length=self.length,
                block=self.kernel_block,
                x=x.data_ptr(),
            )
            library = library_for(self.device)
            library.call("hb_dequantize", self.device, format_table(self.format), call)
            del keep
        return x

    def operand(self) -> tuple[Operand, tuple[Tensor, Tensor]]:
        """The kernels' argument, and the tensors that must live until the kernels are done."""
        codes, scales = self.codes.contiguous(), self.scales.contiguous()
        return Operand(codes=codes.data_ptr(), scales=scales.data_ptr()), (codes, scales)

    @classmethod
    def from_golden(cls, tensor: Quantized) -> "Packed":
        """The golden model's tensor, packed; mirrored blocks get negative scales."""
        codes = tensor.codes if tensor.format.bits > PAIR_BITS else pack(tensor.codes)
        scales = tensor.scales
        if tensor.mirrored is not None:
            scales = torch.where(tensor.mirrored, -scales, scales)
        return cls(codes, scales, tensor.format, tensor.codes.shape[-1], tensor.block)
