"""Define PyTorch operators that work on compressed weights.

These operators can be traced and compiled. The linear one can also be differentiated.

A compressed weight is a tensor of bytes, (bytes,) uint8. Its decoder is created on first use, and
kept as long as the tensor exists. A *chunk* is a run of neighbouring elements that can be decoded
separately. There are two layouts, ``joint`` and ``prefix``. On the CPU, a weight in the layout
``joint`` can be multiplied while it is decoded.
"""

import threading
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.weak import WeakTensorKeyDictionary

from halfbyte.golden.dfloat11 import decompress_chunks, layout_of, prepare, read_header
from halfbyte.golden.dfloat11.joint_opened import OpenedJoint
from halfbyte.golden.dfloat11.layout import aligned_bytes

__all__ = ["compressed_linear", "compressed_rows", "decoder_of"]

FEW = 8
"""The most vectors that the CPU multiplies while it decodes, if products may be added in any
order."""

_DECODERS: Any = WeakTensorKeyDictionary()
_OPENED: Any = WeakTensorKeyDictionary()


def decoder_of(data: Tensor, decode_on: str = "") -> Callable[[], Tensor]:
    """A function that decodes a compressed weight, and puts the result on the device of ``data``.

    It decodes on the device ``decode_on``; an empty string stands for the device of ``data``.
    Raises UserError or ToolError if there is no decoder for that device.
    """
    found = _DECODERS.setdefault(data, {})
    if decode_on not in found:
        found[decode_on] = prepare(data, device=decode_on or None)
    decode: Callable[[], Tensor] = found[decode_on]
    return decode


def _opened(data: Tensor) -> OpenedJoint | None:
    """A compressed weight in the layout ``joint`` on the CPU, opened for decoding.

    Returns None for another layout or device.
    """
    if data not in _OPENED:
        is_joint = data.device.type == "cpu" and layout_of(aligned_bytes(data)).title == "joint"
        _OPENED[data] = OpenedJoint.of(data) if is_joint else None
    found: OpenedJoint | None = _OPENED[data]
    return found


class _Scratch(threading.local):
    """Memory that a thread keeps for the weights that it decodes, since new memory costs time."""

    def __init__(self) -> None:
        self._held = np.empty(0, dtype=np.uint8)

    def of(self, elements: int, size: int) -> NDArray[Any]:
        """Memory for elements of ``size`` bytes each. The next call returns it again."""
        if len(self._held) < elements * size:
            self._held = np.empty(elements * size, dtype=np.uint8)
        room: NDArray[Any] = self._held[: elements * size].view(f"u{size}")
        return room


_SCRATCH = _Scratch()


def _weight(data: Tensor, decode_on: str) -> Tensor:
    """Decode a weight. The result is valid until this thread decodes the next weight."""
    opened = _opened(data)
    if opened is None:
        return decoder_of(data, decode_on)()
    header = opened.header
    room = _SCRATCH.of(header.elements, header.kind.bytes)
    return opened.decode(0, header.chunks, verify=False, out=room).reshape(header.shape)


@torch.library.custom_op("halfbyte::compressed_linear", mutates_args=())
def compressed_linear(
    x: Tensor, data: Tensor, bias: Tensor | None, outputs: int, decode_on: str, exact: bool
) -> Tensor:
    """Like ``nn.functional.linear``; ``data`` is the compressed form of a weight (outputs, inputs).

    x: (..., inputs). Returns (..., outputs). With ``exact``, the result equals that of
    ``nn.functional.linear`` bit for bit. Otherwise the CPU may add products in another order.
    """
    vectors = x.numel() // x.shape[-1]
    if not exact and vectors <= FEW and x.dtype == torch.bfloat16:
        opened = _opened(data)
        product = opened.product(x.reshape(vectors, -1).float()) if opened is not None else None
        if product is not None:
            product = product if bias is None else product + bias.float()
            return product.to(x.dtype).reshape(*x.shape[:-1], outputs)
    return torch.nn.functional.linear(x, _weight(data, decode_on), bias)


@compressed_linear.register_fake
def _(
    x: Tensor, data: Tensor, bias: Tensor | None, outputs: int, decode_on: str, exact: bool
) -> Tensor:
    return x.new_empty(*x.shape[:-1], outputs)


def _keep(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
    """Keep what the backward pass needs: the compressed weight, and whether there is a bias."""
    _, data, bias, _, decode_on, _ = inputs
    ctx.save_for_backward(data)
    ctx.decode_on, ctx.has_bias = decode_on, bias is not None


def _backward(ctx: Any, gradient: Tensor) -> tuple[Any, ...]:
    """The gradients of ``x`` and of the bias. The weight is decoded again, to save memory."""
    (data,) = ctx.saved_tensors
    back = decode_weight(data, list(read_header(aligned_bytes(data.cpu())).shape),
                         gradient.dtype, ctx.decode_on)  # fmt: skip
    bias = gradient.reshape(-1, gradient.shape[-1]).sum(0) if ctx.has_bias else None
    return gradient @ back, None, bias, None, None, None


compressed_linear.register_autograd(_backward, setup_context=_keep)


@torch.library.custom_op("halfbyte::decode_weight", mutates_args=())
def decode_weight(data: Tensor, shape: Sequence[int], dtype: torch.dtype, decode_on: str) -> Tensor:
    """Decode a compressed weight, and convert it to ``dtype``.

    ``shape`` is the shape of the weight. It must be given, since a traced tensor has no bytes that
    state it.
    """
    return decoder_of(data, decode_on)().to(dtype)


@decode_weight.register_fake
def _(data: Tensor, shape: Sequence[int], dtype: torch.dtype, decode_on: str) -> Tensor:
    return data.new_empty(shape, dtype=dtype)


@torch.library.custom_op("halfbyte::compressed_rows", mutates_args=())
def compressed_rows(
    data: Tensor, ids: Tensor, width: int, dtype: torch.dtype, decode_on: str
) -> Tensor:
    """The rows ``ids`` of a compressed matrix, (rows, width), of the type ``dtype``.

    Only the chunks with these rows are decoded, if the data is on the CPU and the rows are few. The
    shape of ``ids`` is free. Returns (*ids.shape, width).
    """
    layout = layout_of(aligned_bytes(data[:8].cpu()))
    if data.device.type != "cpu" or ids.numel() * layout.chunk > read_elements(data):
        return torch.nn.functional.embedding(ids, decoder_of(data, decode_on)())
    wanted, places = torch.unique(ids.flatten(), return_inverse=True)
    rows = torch.empty(len(wanted), width, dtype=dtype)
    held: dict[int, Tensor] = {}  # decoded chunks that later rows may need
    for place, row in enumerate(wanted.tolist()):
        first, last = row * width // layout.chunk, -(-(row + 1) * width // layout.chunk)
        held = {chunk: part for chunk, part in held.items() if chunk >= first}
        for chunk in range(first, last):
            if chunk not in held:
                held[chunk] = decompress_chunks(data, chunk, chunk + 1, verify=False)
        joined = torch.cat([held[chunk] for chunk in range(first, last)])
        begin = row * width - first * layout.chunk
        rows[place] = joined[begin : begin + width]
    return rows[places].reshape(*ids.shape, width)


def read_elements(data: Tensor) -> int:
    """The number of elements of a compressed weight, from its header."""
    shape = read_header(aligned_bytes(data.cpu())).shape
    return int(torch.Size(shape).numel())


@compressed_rows.register_fake
def _(data: Tensor, ids: Tensor, width: int, dtype: torch.dtype, decode_on: str) -> Tensor:
    return data.new_empty(*ids.shape, width, dtype=dtype)
