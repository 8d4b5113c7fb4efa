"""Decodes modules in the published layout, that of the ``dfloat11`` package.

DFloat11 is a lossless compression of weights. A module is a layer, or several, whose BF16 weights
are compressed together.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from halfbyte.golden.dfloat11 import CorruptError, published
from halfbyte.gpu_ref.dfloat11.damage import check, no_failure, raise_failure
from halfbyte.gpu_ref.dfloat11.memory import aligned
from halfbyte.gpu_ref.dfloat11_structures import DecodePublished
from halfbyte.gpu_ref.library import library_for

__all__ = ["PublishedModule", "decode_published"]


@dataclass(frozen=True)
class PublishedModule:
    """The parts of a compressed module on one device, as the package stores them.

    All tensors are uint8.

    Parameters
    ----------
    luts : Tensor
        (tables + 1, 256): look-up tables. The last row has the code lengths.
    encoded_exponent : Tensor
        (bytes,): the stream of exponent codes.
    sign_mantissa : Tensor
        (elements,): sign and mantissa of each element.
    gaps : Tensor
        (bytes,): five bits for each eight bytes of the stream: the bit at which the first code
        starts.
    output_positions : Tensor
        (4 count,): ``count`` uint32 numbers as bytes: the index of the first element of each block
        of 4096 bytes of the stream, then the number of elements.
    split_positions : tuple of int
        Where the elements of each weight begin, except the first weight.
    """

    luts: Tensor
    encoded_exponent: Tensor
    sign_mantissa: Tensor
    output_positions: Tensor
    gaps: Tensor
    split_positions: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        for part, ndim in (("luts", 2), *((name, 1) for name in _FLAT)):
            tensor = getattr(self, part)
            if tensor.dtype != torch.uint8 or tensor.ndim != ndim:
                wanted = "1 dimension" if ndim == 1 else f"{ndim} dimensions"
                raise TypeError(
                    f"{part} must be uint8 with {wanted}, not {tensor.dtype} with {tensor.ndim}"
                )
            if tensor.device != self.luts.device:
                raise ValueError(f"{part} must be on {self.luts.device}, not on {tensor.device}")
            object.__setattr__(self, part, aligned(tensor))
        if self.luts.shape[1] != 256:
            raise CorruptError(f"luts must have 256 columns, not {self.luts.shape[1]}")
        if (count := len(self.output_positions)) % 4:
            raise CorruptError(f"output_positions must have a multiple of 4 bytes, not {count}")
        splits = [0, *self.split_positions, self.elements]
        if splits != sorted(splits):
            raise CorruptError(
                f"split positions must be in ascending order, from 0 to {self.elements}, not "
                f"{self.split_positions}"
            )

    @classmethod
    def from_golden(
        cls, module: published.Module, device: torch.device | str = "cpu"
    ) -> "PublishedModule":
        """Copy a module of :mod:`halfbyte.golden.dfloat11` to ``device``."""
        arrays = {part: getattr(module, part) for part in ("luts", *_FLAT)}
        arrays["output_positions"] = module.output_positions.astype("<u4").view("u1")
        tensors = {part: torch.tensor(array).to(device) for part, array in arrays.items()}
        return cls(**tensors, split_positions=module.split_positions)

    @property
    def elements(self) -> int:
        """Number of elements of all weights together."""
        return len(self.sign_mantissa)

    def _call(self, out: Tensor, failure: Tensor) -> DecodePublished:
        """The arguments of the kernel."""
        return DecodePublished(
            luts=self.luts.data_ptr(),
            stream=self.encoded_exponent.data_ptr(),
            other=self.sign_mantissa.data_ptr(),
            gaps=self.gaps.data_ptr(),
            positions=self.output_positions.data_ptr(),
            out=out.data_ptr(),
            failure=failure.data_ptr(),
            rows=len(self.luts),
            bytes=len(self.encoded_exponent),
            elements=self.elements,
            gap_bytes=len(self.gaps),
            position_count=len(self.output_positions) // 4,
        )

    def launch(self, out: Tensor, failure: Tensor) -> None:
        """Decode into ``out``, (elements,) BF16, without waiting for the GPU.

        Raises CorruptError if the sizes of the parts do not match. ``failure``: from
        :func:`.damage.no_failure`; the kernels report damage there.
        """
        device, call = self.luts.device, self._call(out, failure)
        library = library_for(device)
        check(library.check_published(call))
        library.call("hb_dfloat11_published", device, call)

    def decode(self) -> list[Tensor]:
        """Decode the weights, BF16 tensors of one dimension. Raises CorruptError for damaged data.

        If the stream is damaged, the message names the block of the stream, 4096 bytes that one
        thread block decodes. The layout has no checksum, so some wrong bits stay undetected.
        """
        device = self.luts.device
        out = torch.empty(self.elements, dtype=torch.bfloat16, device=device)
        failure = no_failure(device)
        self.launch(out, failure)
        raise_failure(failure, "block", -(-len(self.encoded_exponent) // _BLOCK_BYTES))
        return list(torch.tensor_split(out, self.split_positions))


_FLAT = ("encoded_exponent", "sign_mantissa", "output_positions", "gaps")
_BLOCK_BYTES = published.BYTES_PER_THREAD * published.THREADS_PER_BLOCK


def decode_published(module: published.Module, device: torch.device | str = "cpu") -> list[Tensor]:
    """Decode the weights of a module on ``device``. Raises CorruptError for damaged data."""
    return PublishedModule.from_golden(module, device).decode()
