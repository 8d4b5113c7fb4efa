"""Layers that keep their weights compressed and decode them while they run.

To other code, they look like usual linear layers and embeddings: adapters such as LoRA can attach
to them, and a state dictionary has their decoded weights. If other code assigns a weight to
``weight.data``, the layer compresses it.
"""

from collections.abc import Callable
from typing import Any, Self

import torch
from torch import Tensor, nn
from torch.utils.weak import TensorWeakRef, WeakTensorKeyDictionary

from halfbyte.base import UserError
from halfbyte.checkpoints.dfloat11.operators import (
    compressed_linear,
    compressed_rows,
    decoder_of,
)
from halfbyte.golden.dfloat11 import joint, read_header

__all__ = ["CompressedEmbedding", "CompressedLinear", "compress_weight"]


def compress_weight(weight: Tensor) -> Tensor | None:
    """The compressed form of a weight: (bytes,) uint8, in ``joint``, the smaller of two layouts.

    Returns None if it is not smaller than the weight, or if the weight's type cannot be compressed.
    """
    if joint.joint_type(weight.dtype) is None or not weight.numel():
        return None
    data = joint.compress(weight)
    return data if len(data) < weight.nbytes else None


class _Decoded(Tensor):
    """A decoded weight of a layer. Assigning to its ``data`` replaces the weight of the layer."""

    __torch_function__: Any = torch._C._disabled_torch_function_impl
    _replace: Callable[[Tensor], None]

    @classmethod
    def of(cls, weight: Tensor, replace: Callable[[Tensor], None]) -> "_Decoded":
        """A weight that passes any tensor assigned to its ``data`` to the function ``replace``."""
        made: _Decoded = torch.Tensor._make_subclass(cls, weight)
        made._replace = replace
        return made

    @property
    def data(self) -> Tensor:
        """The weight as a plain tensor."""
        return self.as_subclass(Tensor).detach()

    @data.setter
    def data(self, value: Tensor) -> None:
        self._replace(value)


# Compressed weights that `nn.Module.to` has copied to another device, each with its copy.
_COPIES: Any = WeakTensorKeyDictionary()


class _Compressed(nn.Module):
    """The common base of both layers: a compressed weight that looks like a plain weight.

    Layers that share a compressed weight still share it after they were moved to another device.
    """

    compressed: Tensor

    def _hold(self, data: Tensor, decode_on: torch.device | str | None) -> None:
        """Keep a compressed weight, and the device on which to decode it."""
        header = read_header(data.cpu().numpy())
        self.register_buffer("compressed", data, persistent=False)
        self.decode_on = "" if decode_on is None else str(decode_on)
        self._shape = tuple(header.shape)
        self._dtype = header.kind.torch_dtype

    @property
    def weight(self) -> Tensor:
        """The weight, decoded now, on the device of its compressed form.

        Raises UserError or ToolError if there is no decoder for the device that decodes.
        """
        return _Decoded.of(decoder_of(self.compressed, self.decode_on)(), self.replace)

    def replace(self, weight: Tensor) -> None:
        """Replace the layer's weight by another one of the same shape.

        The new weight is converted to the layer's type and compressed. Raises ValueError if it has
        another shape, and UserError if compression does not make it smaller.
        """
        if tuple(weight.shape) != self._shape:
            raise ValueError(f"The weight must have shape {self._shape}, not {tuple(weight.shape)}")
        data = compress_weight(weight.detach().to(self._dtype).cpu())
        if data is None:
            raise UserError("The new weight cannot be compressed: load the model uncompressed")
        self.compressed = data.to(self.compressed.device)

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Self:
        """Apply ``fn`` to parameters and buffers, as ``to`` and ``cuda`` do.

        PyTorch keeps parameters shared, but copies a buffer once for each of its layers. Here, a
        layer takes the copy that another layer has made of the same compressed weight.
        """
        before = self.compressed
        super()._apply(fn, recurse)  # type: ignore[no-untyped-call]
        if self.compressed is not before:
            known = _COPIES.get(before, lambda: None)()
            if known is not None and known.device == self.compressed.device:
                self.compressed = known
            else:
                _COPIES[before] = TensorWeakRef(self.compressed)
        return self

    def _save_to_state_dict(
        self, destination: dict[str, Any], prefix: str, keep_vars: bool
    ) -> None:
        super()._save_to_state_dict(destination, prefix, keep_vars)
        destination[prefix + "weight"] = self.weight.data

    def _load_from_state_dict(
        self, state_dict: dict[str, Any], prefix: str, *arguments: Any
    ) -> None:
        weight = state_dict.pop(prefix + "weight", None)
        if weight is not None:
            self.replace(weight)
        super()._load_from_state_dict(state_dict, prefix, *arguments)

    def prepare(self) -> None:
        """Create the decoder now, instead of when the layer first runs."""
        decoder_of(self.compressed, self.decode_on)


class CompressedLinear(_Compressed, nn.Linear):  # type: ignore[override]
    """A linear layer with a compressed weight, which is decoded for each call and then dropped.

    Parameters
    ----------
    data : Tensor
        (bytes,) uint8: the compressed form, already verified, of a weight (outputs, inputs).
    bias : Parameter or None
        (outputs,).
    decode_on : torch.device or str, optional
        The device on which the weight is decoded; by default that of its compressed form.
    exact : bool
        Whether results equal those of ``nn.Linear`` bit for bit. If not, and if the input has only
        a few vectors, the CPU may multiply while it decodes the weight. It then adds the products
        in FP32 in another order.
    """

    def __init__(
        self,
        data: Tensor,
        bias: nn.Parameter | None,
        decode_on: torch.device | str | None = None,
        *,
        exact: bool = True,
    ) -> None:
        nn.Module.__init__(self)
        self._hold(data, decode_on)
        self.out_features, self.in_features = self._shape
        self.bias = bias  # type: ignore[assignment]
        self.exact = exact

    def forward(self, x: Tensor) -> Tensor:
        """Like ``nn.Linear``: takes (..., inputs) and returns (..., outputs)."""
        y: Tensor = compressed_linear(
            x, self.compressed, self.bias, self.out_features, self.decode_on, self.exact
        )
        return y

    def extra_repr(self) -> str:
        """The text for printing the layer, with the bytes of the compressed weight."""
        return f"{nn.Linear.extra_repr(self)}, bytes={len(self.compressed)}"


class CompressedEmbedding(_Compressed, nn.Embedding):  # type: ignore[override]
    """An embedding with a compressed weight.

    If the weight is on the CPU and the wanted rows are few, only the chunks with these rows are
    decoded. A chunk is a run of neighbouring elements that can be decoded separately.

    Parameters
    ----------
    data : Tensor
        (bytes,) uint8: the compressed form, already verified, of a weight (rows, width).
    padding_idx : int, optional
        As for ``nn.Embedding``.
    decode_on : torch.device or str, optional
        The device on which the weight is decoded; by default that of its compressed form.
    """

    def __init__(
        self,
        data: Tensor,
        padding_idx: int | None = None,
        decode_on: torch.device | str | None = None,
    ) -> None:
        nn.Module.__init__(self)
        self._hold(data, decode_on)
        self.num_embeddings, self.embedding_dim = self._shape
        self.padding_idx = padding_idx
        self.max_norm = None
        self.norm_type = 2.0
        self.scale_grad_by_freq = self.sparse = False

    def forward(self, ids: Tensor) -> Tensor:
        """Like ``nn.Embedding``, bit for bit: takes ids (any shape), returns (..., width)."""
        rows: Tensor = compressed_rows(
            self.compressed, ids, self.embedding_dim, self._dtype, self.decode_on
        )
        return rows

    def extra_repr(self) -> str:
        """The text for printing the layer, with the bytes of the compressed weight."""
        return f"{nn.Embedding.extra_repr(self)}, bytes={len(self.compressed)}"
