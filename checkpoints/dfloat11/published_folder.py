"""Read and write model folders in the layout of the ``dfloat11`` package, version 0.5.0.

The layout has one ``model.safetensors`` with six tensors for each compressed module and all other
tensors unchanged, and an entry ``dfloat11_config`` in ``config.json``. The package does not store
shapes, but asks the model. Files that halfbyte writes also have the shapes in their metadata, which
the package does not read.
"""

import json
import math
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from halfbyte.base import JsonObject, Progress, UserError, versions_of, write_atomically
from halfbyte.checkpoints.checkpoint import CONFIG, INDEX, Checkpoint
from halfbyte.checkpoints.dfloat11.folder import (
    PLAIN,
    copy_files,
    fresh_folder,
    other_files,
)
from halfbyte.checkpoints.dfloat11.growing_file import GrowingTensorFileWriter
from halfbyte.checkpoints.dfloat11.published_plan import (
    ModulePlan,
    attributes_of,
    patterns,
    plan_modules,
)
from halfbyte.checkpoints.records import PublishedCompressionRecord, PublishedDecompressionRecord
from halfbyte.checkpoints.tensor_file import StoredTensor, TensorFile, TensorFileWriter
from halfbyte.golden.dfloat11 import CorruptError, published

__all__ = ["compress_published", "decompress_published", "is_published", "read_published"]

PACKAGE_VERSION = "0.5.0"
_CONFIG_KEY = "dfloat11_config"
_SHAPES_KEY = "halfbyte.shapes"
_MARKS = ("encoded_exponent", "sign_mantissa")  # of compressed modules
_PARTS = ("luts", "encoded_exponent", "sign_mantissa", "output_positions", "gaps")
_TYPES = {"output_positions": ("U8", "I32", "U32"), "split_positions": ("I64", "I32")}
_SPLITS = "split_positions"
_SINGLE = "model.safetensors"


def is_published(path: Path) -> bool:
    """Whether a file or folder is in the published layout."""
    if path.is_dir():
        return any(is_published(file) for file in sorted(path.glob(f"*{PLAIN}")))
    return path.is_file() and any(name.endswith(_MARKS) for name in TensorFile.open(path).tensors)


def _stored(module: published.Module) -> dict[str, Tensor]:
    """The tensors of a module by the last part of their names."""
    arrays = {part: getattr(module, part) for part in _PARTS}
    arrays["output_positions"] = module.output_positions.view(np.uint8)
    tensors = {part: torch.from_numpy(array) for part, array in arrays.items()}
    return {**tensors, _SPLITS: torch.tensor(module.split_positions, dtype=torch.int64)}


def _read(tensors: Mapping[str, StoredTensor], plan: ModulePlan) -> published.Module:
    """A module from its tensors. CorruptError if one is missing or of a wrong type.

    A module of one weight may lack its split positions, which the package does not ask for there.
    """
    found = {part: tensors.get(f"{plan.name}.{part}") for part in (*_PARTS, _SPLITS)}
    if found[_SPLITS] is None and len(plan.weights) == 1:
        del found[_SPLITS]
    arrays = {}
    for part, tensor in found.items():
        if tensor is None or tensor.dtype not in _TYPES.get(part, ("U8",)):
            raise CorruptError(f"Module {plan.name}: {part} is missing, or of another type")
        arrays[part] = tensor.read_bytes().numpy()
    if arrays["output_positions"].size % 4:
        raise CorruptError(f"Module {plan.name}: output_positions are not integers of 32 bits")
    luts, splits = found["luts"], found.get(_SPLITS)
    assert luts is not None  # noqa: S101 (see above)
    return published.Module(
        arrays["luts"].reshape(luts.shape),
        arrays["encoded_exponent"],
        arrays["sign_mantissa"],
        arrays["output_positions"].view("<u4"),
        arrays["gaps"],
        tuple(splits.read().flatten().tolist()) if splits is not None else (),
    )


def _encode(plan: ModulePlan, checkpoint: Checkpoint, verify: bool) -> published.Module:
    weights = [checkpoint.tensors[name].read().flatten() for name in plan.weights]
    module = published.encode(weights)
    if verify:
        for name, weight, decoded in zip(
            plan.weights, weights, published.decode(module), strict=True
        ):
            if not torch.equal(weight.view(torch.int16), decoded.view(torch.int16)):
                raise RuntimeError(f"{name} did not decode to itself")
    return module


def _write_config(folder: Path, config: Mapping[str, object]) -> None:
    write_atomically(folder / CONFIG, json.dumps(config, indent=2, ensure_ascii=False) + "\n")


def _room(checkpoint: Checkpoint, plans: Sequence[ModulePlan], shapes: str) -> int:
    """Bytes that the header takes at most."""
    limit = 4 * sum(tensor.bytes for tensor in checkpoint.tensors.values())
    entry = {"dtype": "F8_E4M3FNUZ", "shape": [limit, limit], "data_offsets": [limit, limit]}
    header: dict[str, object] = {"__metadata__": {"format": "pt", _SHAPES_KEY: shapes}}
    header |= {f"{plan.name}.{part}": entry for plan in plans for part in (*_PARTS, _SPLITS)}
    for name, tensor in checkpoint.tensors.items():
        header[name] = {**entry, "shape": tensor.shape}
    return len(json.dumps(header, separators=(",", ":")))


class _Compressor:
    """The state while one model is compressed."""

    def __init__(self, checkpoint: Checkpoint, writer: GrowingTensorFileWriter) -> None:
        self._checkpoint = checkpoint
        self._writer = writer
        self.done: list[ModulePlan] = []
        self.kept: dict[str, str] = {}
        """Modules that stay as they are, with the reason."""
        self.elements = self.stored = 0
        self._splits: dict[str, Tensor] = {}

    def compress(self, plan: ModulePlan, verify: bool) -> None:
        """Write a module's parts, except split positions, which are whole words of eight bytes."""
        try:
            module = _encode(plan, self._checkpoint, verify)
        except published.UnrepresentableError as error:
            self.kept[plan.name] = str(error)
            return
        self.done.append(plan)
        self.elements += len(module.sign_mantissa)
        self.stored += module.size
        for part, data in _stored(module).items():
            if part == _SPLITS:
                self._splits[f"{plan.name}.{part}"] = data
            else:
                self._add(f"{plan.name}.{part}", "U8", data)

    def finish(self) -> None:
        """Write split positions, and the modules that stay as they are."""
        for name, data in self._splits.items():
            self._add(name, "I64", data)
        kept = [plan for plan in plan_modules(self._checkpoint) if plan.name in self.kept]
        for name in (name for plan in kept for name in plan.weights):
            self.copy(self._checkpoint.tensors[name])

    def copy(self, tensor: StoredTensor) -> None:
        """Write a tensor as it is."""
        self._writer.add(tensor.name, tensor.dtype, tensor.shape, tensor.bytes)
        tensor.copy_to(self._writer)

    def _add(self, name: str, dtype: str, data: Tensor) -> None:
        self._writer.add(name, dtype, tuple(data.shape), data.nbytes)
        self._writer.append(name, data)


def compress_published(
    source: Path, target: Path, *, verify: bool = True, on_progress: Progress | None = None
) -> PublishedCompressionRecord:
    """Compress a model's folder, or a file, to a folder that the ``dfloat11`` package loads.

    Linear layers in numbered blocks are compressed block by block, embeddings and linear layers
    outside by themselves; a module that the layout cannot hold stays as it is. Memory holds one
    module at a time. Returns a record. Raises UserError for bad input, if there is nothing to
    compress, or if ``target`` exists.
    """
    begin = time.perf_counter()
    checkpoint = Checkpoint(source)
    plans = plan_modules(checkpoint)
    if not plans or _CONFIG_KEY in checkpoint.config:
        raise UserError(f"{source} has no BF16 weights of layers that are not compressed yet")
    planned = [name for plan in plans for name in plan.weights]
    shapes = json.dumps({name: checkpoint.tensors[name].shape for name in planned})
    others = [tensor for name, tensor in checkpoint.tensors.items() if name not in set(planned)]
    with fresh_folder(target) as folder:
        with GrowingTensorFileWriter(folder / _SINGLE, _room(checkpoint, plans, shapes)) as writer:
            writer.metadata = {"format": "pt", _SHAPES_KEY: shapes}
            worker = _Compressor(checkpoint, writer)
            for tensor in sorted(others, key=lambda each: -each.element_bits):
                worker.copy(tensor)
            for index, plan in enumerate(plans):
                if on_progress is not None:
                    on_progress(index, len(plans), plan.name)
                worker.compress(plan, verify)
            worker.finish()
        left_out = _copy_others(source, folder)
        config = {
            "version": PACKAGE_VERSION,
            "threads_per_block": [published.THREADS_PER_BLOCK],
            "bytes_per_thread": published.BYTES_PER_THREAD,
            "pattern_dict": patterns(worker.done),
        }
        _write_config(folder, {**checkpoint.config, _CONFIG_KEY: config})
    return PublishedCompressionRecord(
        source=str(source),
        output=str(target),
        layout="dfloat11",
        verified=verify,
        modules=len(worker.done),
        coded_elements=worker.elements,
        coded_bits_per_element=8 * worker.stored / worker.elements if worker.elements else None,
        kept=worker.kept,
        bytes_before=sum(shard.path.stat().st_size for shard in checkpoint.shards),
        bytes_after=(target / _SINGLE).stat().st_size,
        left_out=tuple(left_out),
        seconds=time.perf_counter() - begin,
        versions=versions_of("halfbyte", "numba"),
    )


def _copy_others(source: Path, folder: Path) -> list[str]:
    """Copy what goes along, without configuration and index; the names of what does not."""
    if source.is_file():
        return []
    companions, left_out = other_files(source)
    kept = [path for path in companions if path.as_posix() not in (CONFIG, INDEX)]
    copy_files(kept, source, folder)
    return left_out


def _home(source: Path) -> Path:
    """The folder of what is read."""
    return source if source.is_dir() else source.parent


def _read_config(folder: Path) -> dict[str, object]:
    """``config.json`` of a folder; empty if there is none, or it cannot be read."""
    try:
        found = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _files(
    source: Path, original: Path | None
) -> tuple[dict[str, StoredTensor], dict[str, str], Any]:
    """Tensors over all files of a folder or of one file, their metadata, and the configuration."""
    paths = sorted(source.glob(f"*{PLAIN}")) if source.is_dir() else [source]
    tensors: dict[str, StoredTensor] = {}
    metadata: dict[str, str] = {}
    for path in paths:
        file = TensorFile.open(path)
        if twice := tensors.keys() & file.tensors.keys():
            raise UserError(f"Tensor {min(twice)} is in {path} and in another file too")
        tensors |= file.tensors
        metadata |= file.metadata
    found = _read_config(_home(source))
    if original is not None:
        found = {**_read_config(original), **found}
    if not isinstance(found.get(_CONFIG_KEY), dict):
        raise UserError(
            f"{_home(source) / CONFIG} has no {_CONFIG_KEY}: what is compressed is not known; give "
            f"the folder of a {CONFIG} that has it (--config)"
        )
    return tensors, metadata, found


def _stated_shapes(folder: Path, wanted: Sequence[str]) -> dict[str, tuple[int, ...]]:
    """Shapes of a model's weights: from its files, if they are plain, else its architecture."""
    from halfbyte.checkpoints.dfloat11.architecture import empty_model

    shapes: dict[str, tuple[int, ...]] = {}
    if not is_published(folder):
        for path in sorted(folder.glob(f"*{PLAIN}")):
            shapes |= {name: each.shape for name, each in TensorFile.open(path).tensors.items()}
    if not shapes.keys() >= set(wanted):  # tied weights are stored under one of their names
        shapes |= {n: tuple(t.shape) for n, t in empty_model(folder).state_dict().items()}
    return shapes


def _shapes_of(
    source: Path, original: Path | None, metadata: Mapping[str, str], plans: Sequence[ModulePlan]
) -> dict[str, tuple[int, ...]]:
    """Shapes of the weights: from the metadata, else from the original or the architecture."""
    wanted = [name for plan in plans for name in plan.weights]
    try:
        found = {n: tuple(shape) for n, shape in json.loads(metadata[_SHAPES_KEY]).items()}
    except (KeyError, ValueError, TypeError, AttributeError, RecursionError):
        try:
            found = _stated_shapes(original or _home(source), wanted)
        except UserError as error:
            raise UserError(
                f"{source} says neither shapes nor architecture: give the folder of the original "
                f"model's configuration (--config); {error}"
            ) from None
    for name in wanted:
        shape = found.get(name, ())
        if len(shape) != 2 or not all(type(size) is int and size > 0 for size in shape):
            raise UserError(f"{source} does not say which shape {name} has")
    return {name: found[name] for name in wanted}


@dataclass(frozen=True)
class _PublishedModel:
    """A folder in the published layout, opened: what is where, checked against each other.

    Parameters
    ----------
    tensors, others : dict
        All stored tensors; those that are not part of a compressed module.
    plans : list of ModulePlan
    shapes : dict
        Shapes of the compressed weights.
    config : dict
        The configuration, without its entries on the compression.
    """

    tensors: dict[str, StoredTensor]
    others: dict[str, StoredTensor]
    plans: list[ModulePlan]
    shapes: dict[str, tuple[int, ...]]
    config: JsonObject

    @classmethod
    def open(cls, source: Path, original: Path | None = None) -> "_PublishedModel":
        tensors, metadata, config = _files(source, original)
        marked = (name.rpartition(".") for name in tensors)
        modules = list(dict.fromkeys(name for name, _, part in marked if part in _MARKS))
        plans = attributes_of(modules, config.pop(_CONFIG_KEY).get("pattern_dict"))
        shapes = _shapes_of(source, original, metadata, plans)
        parts = {f"{name}.{part}" for name in modules for part in (*_PARTS, _SPLITS)}
        others = {name: tensor for name, tensor in tensors.items() if name not in parts}
        _check_sizes(tensors, plans, shapes, set(others))
        return cls(tensors, others, plans, shapes, config)


def read_published(source: Path, *, config: Path | None = None) -> Iterator[tuple[str, Tensor]]:
    """The tensors of a folder in the published layout as they were, by name, a module at a time.

    Takes and raises what :func:`decompress_published` does.
    """
    model = _PublishedModel.open(source, config)
    for plan in model.plans:
        for name, weight in _decode(model.tensors, plan, model.shapes):
            yield name, weight.reshape(model.shapes[name])
    for name, tensor in model.others.items():
        yield name, tensor.read()


def decompress_published(
    source: Path,
    target: Path,
    *,
    config: Path | None = None,
    on_progress: Progress | None = None,
) -> PublishedDecompressionRecord:
    """Write the plain model of a folder or file in the published layout, as one file.

    Streams are checked against their index; the layout allows no other check. ``config``: a folder
    of the original model's configuration or weights, where the package wrote neither architecture
    nor shapes. Returns a record. Raises UserError for bad input, :class:`CorruptError` for damaged
    data.
    """
    begin = time.perf_counter()
    model = _PublishedModel.open(source, config)
    layout = {name: (tensor.dtype, tensor.shape) for name, tensor in model.others.items()}
    layout |= {name: ("BF16", shape) for name, shape in model.shapes.items()}
    with fresh_folder(target) as folder:
        with TensorFileWriter(folder / _SINGLE, layout, {"format": "pt"}) as writer:
            for index, plan in enumerate(model.plans):
                if on_progress is not None:
                    on_progress(index, len(model.plans), plan.name)
                for name, weight in _decode(model.tensors, plan, model.shapes):
                    writer.append(name, weight)
            for tensor in model.others.values():
                tensor.copy_to(writer)
        _copy_others(source, folder)
        if model.config:
            _write_config(folder, model.config)
    return PublishedDecompressionRecord(
        source=str(source),
        output=str(target),
        tensors=len(layout),
        corrected_words=0,
        bytes_before=sum(
            path.stat().st_size for path in {each.file for each in model.tensors.values()}
        ),
        bytes_after=(target / _SINGLE).stat().st_size,
        seconds=time.perf_counter() - begin,
        versions=versions_of("halfbyte", "numba"),
    )


def _check_sizes(
    tensors: Mapping[str, StoredTensor],
    plans: Sequence[ModulePlan],
    shapes: Mapping[str, tuple[int, ...]],
    others: set[str],
) -> None:
    """Whether modules have as many elements as their weights, and no weight is there twice."""
    names = [name for plan in plans for name in plan.weights]
    if len(set(names)) != len(names) or others & set(names):
        raise CorruptError("a weight is in two modules, or stored twice: compressed and as it is")
    for plan in plans:
        stored = tensors.get(f"{plan.name}.sign_mantissa")
        wanted = sum(math.prod(shapes[name]) for name in plan.weights)
        if stored is None or stored.elements != wanted:
            count = "no" if stored is None else stored.elements
            raise CorruptError(f"Module {plan.name} has {count} elements, its weights {wanted}")


def _decode(
    tensors: Mapping[str, StoredTensor],
    plan: ModulePlan,
    shapes: Mapping[str, tuple[int, ...]],
) -> Iterator[tuple[str, Tensor]]:
    try:
        weights = published.decode(_read(tensors, plan))
    except CorruptError as error:
        raise CorruptError(f"Module {plan.name} is damaged: {error}") from None
    if [weight.numel() for weight in weights] != [math.prod(shapes[n]) for n in plan.weights]:
        raise CorruptError(f"Module {plan.name} splits at other places than its weights do")
    yield from zip(plan.weights, weights, strict=True)
