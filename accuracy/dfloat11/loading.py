"""Models whose linear layers keep their weights compressed and decode them as they run."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from halfbyte.accuracy.dfloat11.architecture import empty_model, stored_names
from halfbyte.accuracy.dfloat11.container import CHECKS, CODED, decode, read_data, read_tensor
from halfbyte.accuracy.dfloat11.folder import SUFFIX
from halfbyte.accuracy.tensor_file import StoredTensor, TensorFile
from halfbyte.base import UserError
from halfbyte.golden.dfloat11 import compress, decompress, element_type, measure, read_header

__all__ = ["CompressedLinear", "load"]


class CompressedLinear(nn.Module):
    """A linear layer whose weight is decoded for each call and then forgotten.

    Parameters
    ----------
    data : Tensor
        (bytes,) uint8: the compressed weight, (outputs, inputs), verified before.
    bias : Parameter or None
        (outputs,).
    """

    compressed: Tensor

    def __init__(self, data: Tensor, bias: nn.Parameter | None) -> None:
        super().__init__()
        self.out_features, self.in_features = read_header(data.numpy()).shape
        self.register_buffer("compressed", data)
        self.bias = bias

    @property
    def weight(self) -> Tensor:
        """The weight, decoded on the CPU, on the device of its compressed form."""
        return decompress(self.compressed.cpu(), verify=False).to(self.compressed.device)

    def forward(self, x: Tensor) -> Tensor:
        """As ``nn.Linear``, with the same bits."""
        return nn.functional.linear(x, self.weight, self.bias)

    def extra_repr(self) -> str:
        """For printing a model."""
        return (
            f"in_features={self.in_features}, out_features={self.out_features}, "
            f"bias={self.bias is not None}, bytes={len(self.compressed)}"
        )


def _stored(folder: Path) -> Iterator[tuple[str, StoredTensor, StoredTensor | None]]:
    """Every tensor of a folder, compressed or not: its name, itself, and its check bytes."""
    paths = [path for path in sorted(folder.glob("*.safetensors")) if path.name[0] != "."]
    paths = [path for path in paths if path.name.endswith(SUFFIX)] or paths
    if not paths:
        raise UserError(f"{folder} has no *.safetensors files")
    for path in paths:
        file = TensorFile.open(path)
        for name, tensor in file.tensors.items():
            if not name.endswith(CHECKS):
                yield name.removesuffix(CODED), tensor, file.tensors.get(name + CHECKS)


def _compressed(tensor: StoredTensor, checks: StoredTensor | None) -> Tensor | None:
    """A weight in compressed form, verified; None if it is of a type, or data, that is not."""
    if tensor.name.endswith(CODED):
        data, _ = read_data(tensor, checks)
        decode(tensor, data)
        return data
    weight = tensor.read()
    if element_type(weight.dtype) is None or not weight.numel():
        return None
    measured = measure(weight)
    return compress(weight, measured) if measured.pays else None


def _plain(tensor: StoredTensor, checks: StoredTensor | None) -> Tensor:
    return read_tensor(tensor, checks)[0] if tensor.name.endswith(CODED) else tensor.read()


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


def _place_compressed(model: Any, layer: str, data: Tensor) -> None:
    """Put a compressed layer in the place of a linear one; its bias goes along or comes later."""
    owner, _, attribute = layer.rpartition(".")
    linear = model.get_submodule(layer)
    shape = read_header(data.numpy()).shape
    if shape != (linear.out_features, linear.in_features):
        raise UserError(
            f"{layer}.weight should be {(linear.out_features, linear.in_features)}, not {shape}"
        )
    setattr(model.get_submodule(owner), attribute, CompressedLinear(data, linear.bias))


def load(model_dir: Path | str, *, device: torch.device | str = "cpu") -> Any:
    """A model of transformers with compressed linear layers, for inference.

    Outputs are those of the model with its weights as they are, to the last bit. A layer's weight
    exists in full only while the layer runs, so that memory holds the compressed weights, the
    embeddings, and one layer.

    Parameters
    ----------
    model_dir : Path or str
        A folder that ``halfbyte compress`` wrote, or any in Hugging Face layout, whose linear
        layers are then compressed one by one as they are read.
    device : torch.device or str
        Where the model goes. Weights are decoded on the CPU.

    Raises
    ------
    UserError
        A part is missing or damaged, or the tensors are not those of the configuration's
        architecture.
    """
    folder = Path(model_dir)
    if not folder.is_dir():
        raise UserError(f"{folder} is no folder: give that of a model")
    model = empty_model(folder)
    names = stored_names(model)
    linear = {name for name, module in model.named_modules() if type(module) is nn.Linear}
    for stored, tensor, checks in _stored(folder):
        name = names.get(stored)
        if name is None:  # as transformers does: a checkpoint may hold more than a model takes
            continue
        layer = name.removesuffix(".weight")
        if name.endswith(".weight") and layer in linear:
            data = _compressed(tensor, checks)
            if data is not None:
                _place_compressed(model, layer, data)
                continue
        _place(model, name, _plain(tensor, checks))
    model.tie_weights()
    missing = [name for name, each in model.named_parameters() if each.device.type == "meta"]
    if missing:
        raise UserError(
            f"{folder} lacks {missing[0]}" + (f" and {len(missing) - 1} more" * (len(missing) > 1))
        )
    return model.to(device)
