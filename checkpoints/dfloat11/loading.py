"""Models whose linear layers keep their weights compressed and decode them as they run."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from halfbyte.base import UserError
from halfbyte.checkpoints.dfloat11.architecture import empty_model, stored_names
from halfbyte.checkpoints.dfloat11.compressed_file import CompressedFile
from halfbyte.checkpoints.dfloat11.folder import SUFFIX, check_indices
from halfbyte.checkpoints.dfloat11.published_folder import is_published, read_published
from halfbyte.checkpoints.tensor_file import StoredTensor, TensorFile
from halfbyte.golden.dfloat11 import (
    compress,
    decompress,
    element_type,
    measure,
    prepare,
    read_header,
)
from halfbyte.golden.dfloat11.devices import Prepared

__all__ = ["CompressedLinear", "load"]


class CompressedLinear(nn.Module):
    """A linear layer whose weight is decoded for each call and then forgotten.

    Parameters
    ----------
    data : Tensor
        (bytes,) uint8: the compressed weight, (outputs, inputs), verified before.
    bias : Parameter or None
        (outputs,).
    decode_on : torch.device or str, optional
        Where the weight is decoded: by default where its compressed form is.
    """

    compressed: Tensor

    def __init__(
        self,
        data: Tensor,
        bias: nn.Parameter | None,
        decode_on: torch.device | str | None = None,
    ) -> None:
        super().__init__()
        self.out_features, self.in_features = read_header(data.numpy()).shape
        self.register_buffer("compressed", data)
        self.bias = bias
        self.decode_on = decode_on
        self._prepared: tuple[Tensor, Prepared] | None = None

    @property
    def weight(self) -> Tensor:
        """The weight, on the device of its compressed form.

        Raises UserError or ToolError where that device has no decoder.
        """
        return self.prepare()()

    def prepare(self) -> Prepared:
        """The decoder of the weight; anew after the module was moved."""
        if self._prepared is None or self._prepared[0] is not self.compressed:
            self._prepared = self.compressed, prepare(self.compressed, device=self.decode_on)
        return self._prepared[1]

    def __getstate__(self) -> dict[str, Any]:
        """Without what is made anew when it is wanted."""
        return {**self.__dict__, "_prepared": None}

    def forward(self, x: Tensor) -> Tensor:
        """As ``nn.Linear``, with the same bits."""
        return nn.functional.linear(x, self.weight, self.bias)

    def extra_repr(self) -> str:
        """For printing a model."""
        return (
            f"in_features={self.in_features}, out_features={self.out_features}, "
            f"bias={self.bias is not None}, bytes={len(self.compressed)}"
        )


@dataclass(frozen=True)
class _Source:
    """A tensor of a folder: under its stored name, as it is, and compressed if it can be."""

    name: str
    plain: Callable[[], Tensor]
    compressed: Callable[[], Tensor | None]


def _compress(weight: Tensor) -> Tensor | None:
    """A weight in compressed form; None if it is of a type, or data, that is not."""
    if element_type(weight.dtype) is None or not weight.numel():
        return None
    measured = measure(weight)
    return compress(weight, measured) if measured.pays else None


def _read_compressed(tensor: StoredTensor) -> Tensor | None:
    return _compress(tensor.read())


def _verified(file: CompressedFile, name: str) -> Tensor | None:
    """A tensor in the compressed form that the file holds, or made anew if it shares one."""
    data = file.compressed(name)
    if data is None:
        return _compress(file.read(name))
    decompress(data)
    return data


def _sources(folder: Path) -> Iterator[_Source]:
    """Every tensor of a folder, compressed in either layout or not at all."""
    paths = [path for path in sorted(folder.glob("*.safetensors")) if path.name[0] != "."]
    paths = [path for path in paths if path.name.endswith(SUFFIX)] or paths
    if not paths:
        raise UserError(f"{folder} has no *.safetensors files")
    if is_published(folder):
        # Their streams hold whole blocks of layers: taken apart, and each weight for itself.
        for name, weight in read_published(folder):
            yield _Source(name, partial(torch.clone, weight), partial(_compress, weight))
        return
    check_indices(folder, SUFFIX if paths[0].name.endswith(SUFFIX) else ".safetensors")
    for path in paths:
        if path.name.endswith(SUFFIX):
            opened = CompressedFile.open(path)
            for name in opened.names:
                yield _Source(name, partial(opened.read, name), partial(_verified, opened, name))
            continue
        for name, tensor in TensorFile.open(path).tensors.items():
            yield _Source(name, tensor.read, partial(_read_compressed, tensor))


def _place(model: Any, name: str, value: Tensor) -> None:
    """Make ``value`` the parameter or buffer of this name."""
    owner, _, attribute = name.rpartition(".")
    module = model.get_submodule(owner)
    wanted = getattr(module, attribute)
    if wanted.shape != value.shape:
        raise UserError(f"{name} should be {tuple(wanted.shape)}, not {tuple(value.shape)}")
    if isinstance(wanted, nn.Parameter):
        setattr(module, attribute, nn.Parameter(value, requires_grad=False))
    else:
        setattr(module, attribute, value)


def _place_compressed(
    model: Any, layer: str, data: Tensor, decode_on: torch.device | str | None
) -> None:
    """Put a compressed layer in the place of a linear one; its bias goes along or comes later."""
    owner, _, attribute = layer.rpartition(".")
    linear = model.get_submodule(layer)
    shape = read_header(data.numpy()).shape
    if shape != (linear.out_features, linear.in_features):
        raise UserError(
            f"{layer}.weight should be {(linear.out_features, linear.in_features)}, not {shape}"
        )
    setattr(model.get_submodule(owner), attribute, CompressedLinear(data, linear.bias, decode_on))


def load(
    model_dir: Path | str,
    *,
    device: torch.device | str = "cpu",
    decode_on: torch.device | str | None = None,
) -> Any:
    """A model of transformers with compressed linear layers, for inference.

    Outputs are those of the model with its weights as they are, to the last bit. A layer's weight
    exists in full only while the layer runs, so that memory holds the compressed weights, the
    embeddings, and one layer.

    Parameters
    ----------
    model_dir : Path or str
        A folder that ``halfbyte compress`` wrote, or the ``dfloat11`` package, or any in Hugging
        Face layout. Linear layers that are not in the own layout are compressed to it one by one
        as they are read.
    device : torch.device or str
        Where the model goes.
    decode_on : torch.device or str, optional
        Where weights are decoded: by default where they are. With ``"cpu"`` a GPU needs no decoder,
        which is compiled by nvcc, and each weight is copied from the CPU for each call.

    Raises
    ------
    UserError
        A part is missing or damaged, or the tensors are not those of the configuration's
        architecture; or there is no decoder for the device.
    ToolError
        The decoder for the device cannot be built.
    """
    folder = Path(model_dir)
    if not folder.is_dir():
        raise UserError(f"{folder} is no folder: give that of a model")
    model = empty_model(folder)
    names = stored_names(model)
    linear = {name for name, module in model.named_modules() if type(module) is nn.Linear}
    for source in _sources(folder):
        name = names.get(source.name)
        if name is None:  # as transformers does: a checkpoint may hold more than a model takes
            continue
        layer = name.removesuffix(".weight")
        if name.endswith(".weight") and layer in linear:
            data = source.compressed()
            if data is not None:
                _place_compressed(model, layer, data, decode_on)
                continue
        _place(model, name, source.plain())
    model.tie_weights()
    missing = [name for name, each in model.named_parameters() if each.device.type == "meta"]
    if missing:
        raise UserError(
            f"{folder} lacks {missing[0]}" + (f" and {len(missing) - 1} more" * (len(missing) > 1))
        )
    model = model.to(device)
    for module in model.modules():
        if isinstance(module, CompressedLinear):
            module.prepare()
    return model
