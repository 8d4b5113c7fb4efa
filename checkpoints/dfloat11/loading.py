"""Load models whose linear layers, and optionally embeddings, stay compressed in memory.

Files may have three forms: uncompressed; compressed by halfbyte, with names that end in
``.df11.safetensors``; or *published*, that is, compressed by the ``dfloat11`` package. In memory, a
compressed weight has the layout ``joint``, the smaller one, or ``prefix``, which suits GPUs better.
Two layers of a model may be *tied*: they share one weight, which files store only once.
"""

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
from halfbyte.checkpoints.dfloat11.folder import PLAIN, SUFFIX, check_indices
from halfbyte.checkpoints.dfloat11.modules import (
    CompressedEmbedding,
    CompressedLinear,
    compress_weight,
)
from halfbyte.checkpoints.dfloat11.published_folder import is_published, read_published
from halfbyte.checkpoints.index import check_shards
from halfbyte.checkpoints.tensor_file import FLOATING, StoredTensor, TensorFile
from halfbyte.golden.dfloat11 import compress, decompress, element_type, read_header

__all__ = ["load"]


@dataclass(frozen=True)
class _Source:
    """A tensor of a folder: its stored name, and functions that read it.

    ``plain`` returns its value. ``compressed`` returns its compressed form, or None if the tensor
    cannot be compressed, or if compression does not make it smaller. A compressed form that comes
    from a file is verified first.
    """

    name: str
    plain: Callable[[], Tensor]
    compressed: Callable[[], Tensor | None]


def _read_compressed(tensor: StoredTensor) -> Tensor | None:
    """Read an uncompressed tensor and compress it."""
    return compress_weight(tensor.read())


def _verified(file: CompressedFile, name: str) -> Tensor | None:
    """The compressed form of a tensor, verified by decoding it.

    If the file has no compressed form of this tensor alone, the tensor is read and compressed.
    """
    data = file.compressed(name)
    if data is None:
        return compress_weight(file.read(name))
    decompress(data)
    return data


def _paths(folder: Path) -> list[Path]:
    """The safetensors files of a folder; if some are compressed, only those."""
    paths = [path for path in sorted(folder.glob(f"*{PLAIN}")) if path.name[0] != "."]
    paths = [path for path in paths if path.name.endswith(SUFFIX)] or paths
    if not paths:
        raise UserError(f"{folder} has no *{PLAIN} files")
    check_shards(paths)
    return paths


def _sources(folder: Path, config: Path | None) -> Iterator[_Source]:
    """Every tensor of a folder, whose files may have any of the three forms."""
    paths = _paths(folder)
    if is_published(folder):
        # A published file compresses the weights of a whole transformer block together. So each
        # weight is decoded, and then compressed separately.
        for name, weight in read_published(folder, config=config):
            yield _Source(name, partial(torch.clone, weight), partial(compress_weight, weight))
        return
    check_indices(folder, SUFFIX if paths[0].name.endswith(SUFFIX) else PLAIN)
    for path in paths:
        if path.name.endswith(SUFFIX):
            opened = CompressedFile.open(path)
            for name in opened.names:
                yield _Source(name, partial(opened.read, name), partial(_verified, opened, name))
            continue
        for name, tensor in TensorFile.open(path).tensors.items():
            yield _Source(name, tensor.read, partial(_read_compressed, tensor))


def _stored_dtype(folder: Path) -> torch.dtype | None:
    """The floating-point type of most elements in a folder; None if there are no such elements."""
    if is_published(folder):
        return torch.bfloat16
    found: dict[str, int] = {}
    for path in _paths(folder):
        is_own = path.name.endswith(SUFFIX)
        tensors = CompressedFile.open(path).tensors if is_own else TensorFile.open(path).tensors
        for tensor in tensors if isinstance(tensors, tuple) else tensors.values():
            found[tensor.dtype] = found.get(tensor.dtype, 0) + tensor.elements
    floating = [name for name in found if name in FLOATING]
    return FLOATING[max(floating, key=found.__getitem__)] if floating else None


def _place(model: Any, name: str, value: Tensor) -> None:
    """Set the parameter or buffer with this name to ``value``."""
    owner, _, attribute = name.rpartition(".")
    module = model.get_submodule(owner)
    wanted = getattr(module, attribute)
    if wanted.shape != value.shape:
        raise UserError(
            f"{name} must have the shape {tuple(wanted.shape)}, not {tuple(value.shape)}"
        )
    if isinstance(wanted, nn.Parameter):
        setattr(module, attribute, nn.Parameter(value, requires_grad=False))
    else:
        setattr(module, attribute, value)


@dataclass(frozen=True)
class _Placing:
    """Puts weights into a model, and replaces layers by compressed ones.

    Parameters
    ----------
    model : torch.nn.Module
        A model without data.
    on_cpu : bool
        Whether weights are decoded on the CPU.
    decode_on, exact, embeddings
        As for :func:`load`.
    """

    model: Any
    on_cpu: bool
    decode_on: torch.device | str | None
    exact: bool
    embeddings: bool

    def kinds(self) -> dict[str, type]:
        """The class of each layer that can be compressed, by the layer's name."""
        taken = (nn.Linear, nn.Embedding) if self.embeddings else (nn.Linear,)
        return {n: type(m) for n, m in self.model.named_modules() if type(m) in taken}

    def has(self, name: str) -> bool:
        """Whether the weight with this name has been put into the model."""
        owner, _, attribute = name.rpartition(".")
        module = self.model.get_submodule(owner)
        if isinstance(module, CompressedLinear | CompressedEmbedding):
            return True
        return bool(getattr(module, attribute).device.type != "meta")

    def place(self, name: str, source: _Source, kinds: dict[str, type]) -> None:
        """Put a tensor into the model.

        It is compressed if it is the weight of a layer in ``kinds`` and if that makes it smaller.
        """
        layer = name.removesuffix(".weight")
        data = source.compressed() if name.endswith(".weight") and layer in kinds else None
        if data is None:
            _place(self.model, name, source.plain())
        else:
            self.put(layer, self._fitting(data))

    def put(self, layer: str, data: Tensor) -> None:
        """Replace a plain layer by one that holds ``data`` and takes over the plain one's bias."""
        owner, _, attribute = layer.rpartition(".")
        plain = self.model.get_submodule(layer)
        wanted, shape = tuple(plain.weight.shape), tuple(read_header(data.numpy()).shape)
        if shape != wanted:
            raise UserError(f"{layer}.weight must have the shape {wanted}, not {shape}")
        made: nn.Module
        if isinstance(plain, nn.Embedding):
            made = CompressedEmbedding(data, plain.padding_idx, self.decode_on)
        else:
            made = CompressedLinear(data, plain.bias, self.decode_on, exact=self.exact)
        setattr(self.model.get_submodule(owner), attribute, made)

    def _fitting(self, data: Tensor) -> Tensor:
        """The compressed data in the layout that suits the device that decodes.

        For a GPU, the weight is compressed again in the layout ``prefix``, if that layout can code
        its type. This layout is decoded in shorter runs, so that a small weight also fills a GPU
        with work.
        """
        if self.on_cpu:
            return data
        weight = decompress(data, verify=False)
        return compress(weight) if element_type(weight.dtype) is not None else data

    def tied(self) -> dict[str, str]:
        """The tied weights: for the name of each, the name of the weight that it shares."""
        return dict(getattr(self.model, "all_tied_weights_keys", None) or {})

    def tie(self) -> None:
        """Make tied layers share one weight, compressed or not; they share it on any device."""
        for name, other in self.tied().items():
            layer, source = name.removesuffix(".weight"), other.removesuffix(".weight")
            held = self.model.get_submodule(source) if source != other else None
            if isinstance(held, CompressedLinear | CompressedEmbedding):
                self.put(layer, held.compressed)
        tie = getattr(self.model, "tie_weights", None)  # models of diffusers have no such function
        if tie and not any(isinstance(m, CompressedEmbedding) for m in self.model.modules()):
            tie()


def _folder_of(model: Path | str) -> Path:
    """The folder with this path, or the folder to which a model of Hugging Face is downloaded."""
    folder = Path(model)
    if folder.is_dir():
        return folder
    name = str(model)
    if folder.exists() or name.count("/") != 1 or name.startswith((".", "/", "~")):
        raise UserError(
            f"{folder} is not a folder: give a model's folder or its name on Hugging Face"
        )
    from huggingface_hub import snapshot_download

    try:
        return Path(snapshot_download(name))
    except (OSError, ValueError) as error:  # the errors of the hub's client are among these
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise UserError(f"{name} is neither a folder nor on the hub: {reason[:200]}") from None


def load(
    model_dir: Path | str,
    *,
    device: torch.device | str = "cpu",
    decode_on: torch.device | str | None = None,
    embeddings: bool = False,
    exact: bool = True,
    config: Path | str | None = None,
) -> Any:
    """Load a model of transformers with compressed linear layers, for inference and for adapters.

    Its outputs equal those of the uncompressed model, to the last bit, unless ``exact`` is False. A
    layer's weight is decoded only while the layer runs. So memory holds the compressed weights, the
    embeddings, and one decoded weight. The model has the class, the settings for the generation of
    text, and the data type that the checkpoint states. ``save_pretrained`` writes the
    uncompressed model. Models of diffusers can be loaded, too.

    Parameters
    ----------
    model_dir : Path or str
        A folder that ``halfbyte compress`` or the ``dfloat11`` package wrote, any other folder in
        Hugging Face layout, or a model's name on the Hugging Face hub. A weight that halfbyte did
        not compress separately is compressed when it is read.
    device : torch.device or str
        The device of the model.
    decode_on : torch.device or str, optional
        The device on which weights are decoded; by default that of the model. With ``"cpu"``, no
        decoder has to be compiled for the GPU, but each call of a layer copies its weight from the
        CPU.
    embeddings : bool
        Whether to compress embeddings, too. On the CPU, a call that needs few rows then decodes
        only the parts of the weight that contain these rows.
    exact : bool
        If False, the CPU may multiply up to eight vectors while it decodes the weight. This may be
        faster, above all for a single vector, but adds products in FP32 in another order.
    config : Path or str, optional
        A folder with the original model's ``config.json``. It is needed for a folder of the
        ``dfloat11`` package that has no such file.

    Returns
    -------
    torch.nn.Module
        The model on ``device``, in evaluation mode.

    Raises
    ------
    UserError
        A file or tensor is missing or damaged, the tensors do not fit the model that the
        configuration describes, or there is no decoder for the device.
    ToolError
        The decoder for the device cannot be built.
    """
    folder = _folder_of(model_dir)
    original = Path(config) if config is not None else None
    model = empty_model(original or folder, dtype=_stored_dtype(folder))
    on_cpu = torch.device(decode_on or device).type == "cpu"
    placing = _Placing(model, on_cpu, decode_on, exact, embeddings)
    names, kinds, tied = stored_names(model), placing.kinds(), placing.tied()
    spare: dict[str, _Source] = {}
    for source in _sources(folder, original):
        name = names.get(source.name)
        if name is None:  # not in the model; transformers ignores such tensors, too
            continue
        if name in tied:
            spare[tied[name]] = source
            continue
        spare.pop(name, None)
        placing.place(name, source, kinds)
    for name, source in spare.items():  # weights that files store only under the tied name
        if not placing.has(name):
            placing.place(name, source, kinds)
    placing.tie()
    missing = [name for name, each in model.named_parameters() if each.device.type == "meta"]
    if missing:
        raise UserError(
            f"{folder} lacks {missing[0]}"
            + (f" and {len(missing) - 1} more" if len(missing) > 1 else "")
            + ", which the model needs"
        )
    model = model.to(device)
    for module in model.modules():
        if isinstance(module, CompressedLinear | CompressedEmbedding):
            module.prepare()
    return model
