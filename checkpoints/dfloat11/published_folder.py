"""Read and write model folders in the layout of the ``dfloat11`` package, version 0.5.0.

This layout is called the *published layout* here. A *module* is a transformer block, the linear
layers of which are compressed together, or a single linear layer or embedding.

A folder has one ``model.safetensors``. This file holds six tensors, the *parts*, of each compressed
module, and all other tensors unchanged. ``config.json`` has an entry ``dfloat11_config``. The
package stores no shapes of weights, since it creates the model to find them. halfbyte also writes
the shapes into the file's metadata, which the package ignores.
"""

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from halfbyte.base import Progress, UserError, versions_of, write_atomically
from halfbyte.checkpoints.checkpoint import CONFIG, INDEX, Checkpoint
from halfbyte.checkpoints.dfloat11.folder import (
    copy_files,
    fresh_folder,
    other_files,
)
from halfbyte.checkpoints.dfloat11.growing_file import GrowingTensorFileWriter
from halfbyte.checkpoints.dfloat11.published_model import (
    CONFIG_KEY,
    PARTS,
    SHAPES_KEY,
    SPLITS,
    PublishedModel,
    is_published,
)
from halfbyte.checkpoints.dfloat11.published_plan import ModulePlan, patterns, plan_modules
from halfbyte.checkpoints.records import PublishedCompressionRecord, PublishedDecompressionRecord
from halfbyte.checkpoints.tensor_file import StoredTensor, TensorFileWriter
from halfbyte.golden.dfloat11 import published

__all__ = ["compress_published", "decompress_published", "is_published", "read_published"]

PACKAGE_VERSION = "0.5.0"
_SINGLE = "model.safetensors"
# Assumed: offsets in a compressed file are at most this many times the size of the original. The
# bound gives the number of digits to reserve for an offset in the header.
_GROWTH = 4


def _stored(module: published.Module) -> dict[str, Tensor]:
    """The parts of an encoded module, by their names."""
    arrays = {part: getattr(module, part) for part in PARTS}
    arrays["output_positions"] = module.output_positions.view(np.uint8)
    tensors = {part: torch.from_numpy(array) for part, array in arrays.items()}
    return {**tensors, SPLITS: torch.tensor(module.split_positions, dtype=torch.int64)}


def _encode(plan: ModulePlan, checkpoint: Checkpoint, verify: bool) -> published.Module:
    """Encode a module of the checkpoint.

    With ``verify``, the result is decoded, and RuntimeError is raised if a weight has changed.
    """
    weights = [checkpoint.tensors[name].read().flatten() for name in plan.weights]
    module = published.encode(weights)
    if verify:
        for name, weight, decoded in zip(
            plan.weights, weights, published.decode(module), strict=True
        ):
            if not torch.equal(weight.view(torch.int16), decoded.view(torch.int16)):
                raise RuntimeError(f"The values of {name} differ after decoding")
    return module


def _write_config(folder: Path, config: Mapping[str, object]) -> None:
    write_atomically(folder / CONFIG, json.dumps(config, indent=2, ensure_ascii=False) + "\n")


def _room(checkpoint: Checkpoint, plans: Sequence[ModulePlan], shapes: str) -> int:
    """The most bytes that the header of the compressed file can take."""
    limit = _GROWTH * sum(tensor.bytes for tensor in checkpoint.tensors.values())
    entry = {"dtype": "F8_E4M3FNUZ", "shape": [limit, limit], "data_offsets": [limit, limit]}
    header: dict[str, object] = {"__metadata__": {"format": "pt", SHAPES_KEY: shapes}}
    header |= {f"{plan.name}.{part}": entry for plan in plans for part in (*PARTS, SPLITS)}
    for name, tensor in checkpoint.tensors.items():
        header[name] = {**entry, "shape": tensor.shape}
    return len(json.dumps(header, separators=(",", ":")))


class _Compressor:
    """Writes the modules of one model, and counts what was compressed.

    Attributes
    ----------
    done : list of ModulePlan
        The modules that were compressed.
    kept : dict
        The modules that stay as they are, with the reason.
    elements, stored : int
        The number of weights that were compressed, and the number of bytes of their parts.
    """

    def __init__(self, checkpoint: Checkpoint, writer: GrowingTensorFileWriter) -> None:
        self._checkpoint = checkpoint
        self._writer = writer
        self.done: list[ModulePlan] = []
        self.kept: dict[str, str] = {}
        self.elements = self.stored = 0
        self._splits: dict[str, Tensor] = {}

    def compress(self, plan: ModulePlan, verify: bool) -> None:
        """Encode a module and write its parts.

        :meth:`finish` writes its split positions, where one weight ends and the next begins. If the
        layout cannot hold the module, :meth:`finish` writes its weights unchanged.
        """
        try:
            module = _encode(plan, self._checkpoint, verify)
        except published.UnrepresentableError as error:
            self.kept[plan.name] = str(error)
            return
        self.done.append(plan)
        self.elements += len(module.sign_mantissa)
        self.stored += module.size
        for part, data in _stored(module).items():
            if part == SPLITS:
                self._splits[f"{plan.name}.{part}"] = data
            else:
                self._add(f"{plan.name}.{part}", "U8", data)

    def finish(self) -> None:
        """Write all split positions, and the weights of modules that stay as they are."""
        for name, data in self._splits.items():
            self._add(name, "I64", data)
        kept = [plan for plan in plan_modules(self._checkpoint) if plan.name in self.kept]
        for name in (name for plan in kept for name in plan.weights):
            self.copy(self._checkpoint.tensors[name])

    def copy(self, tensor: StoredTensor) -> None:
        """Write a tensor of the checkpoint unchanged."""
        self._writer.add(tensor.name, tensor.dtype, tensor.shape, tensor.bytes)
        tensor.copy_to(self._writer)

    def _add(self, name: str, dtype: str, data: Tensor) -> None:
        self._writer.add(name, dtype, tuple(data.shape), data.nbytes)
        self._writer.append(name, data)


def compress_published(
    source: Path, target: Path, *, verify: bool = True, on_progress: Progress | None = None
) -> PublishedCompressionRecord:
    """Compress a model to a folder that the ``dfloat11`` package loads.

    The linear layers of a numbered block are compressed together. Embeddings, and linear layers
    outside of blocks, are compressed alone. A module that the layout cannot hold is copied. Only
    one module at a time is in memory.

    Parameters
    ----------
    source : Path
        A model's folder, or a safetensors file.
    target : Path
        The folder to write.
    verify : bool
        Whether to decode each module, and to compare it with the original.
    on_progress : callable, optional
        Called with the number of modules that are done, the number of all modules, and the name of
        the next module.

    Raises
    ------
    UserError
        The input is invalid, nothing in it can be compressed, or ``target`` exists.
    RuntimeError
        A decoded module differs from the original; nothing is written.
    """
    begin = time.perf_counter()
    checkpoint = Checkpoint(source)
    plans = plan_modules(checkpoint)
    if CONFIG_KEY in checkpoint.config:
        raise UserError(f"{source} is compressed already: its {CONFIG} has {CONFIG_KEY}")
    if not plans:
        raise UserError(f"{source} has no BF16 weights that the published layout can compress")
    planned = [name for plan in plans for name in plan.weights]
    shapes = json.dumps({name: checkpoint.tensors[name].shape for name in planned})
    others = [tensor for name, tensor in checkpoint.tensors.items() if name not in set(planned)]
    with fresh_folder(target) as folder:
        with GrowingTensorFileWriter(folder / _SINGLE, _room(checkpoint, plans, shapes)) as writer:
            writer.metadata = {"format": "pt", SHAPES_KEY: shapes}
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
        _write_config(folder, {**checkpoint.config, CONFIG_KEY: config})
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
    """Copy all files but weights, configuration and index.

    Returns the names of files that :func:`other_files` leaves out.
    """
    if source.is_file():
        return []
    companions, left_out = other_files(source)
    kept = [path for path in companions if path.as_posix() not in (CONFIG, INDEX)]
    copy_files(kept, source, folder)
    return left_out


def read_published(source: Path, *, config: Path | None = None) -> Iterator[tuple[str, Tensor]]:
    """Names and values of the original tensors of a model in the published layout.

    Only one module at a time is in memory. ``source``, ``config`` and the errors are as in
    :func:`decompress_published`.
    """
    model = PublishedModel.open(source, config)
    for plan in model.plans:
        for name, weight in model.weights_of(plan):
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
    """Decompress a model that is in the published layout.

    All weights of the original go into one file. The layout has no checksum. Instead, decoding
    checks that codes and weights begin at the positions that the layout stores.

    Parameters
    ----------
    source : Path
        A folder or a file in the published layout.
    target : Path
        The folder to write.
    config : Path, optional
        A folder with the original's configuration or weights. It is needed if ``source`` states
        neither the architecture nor the shapes of the weights.
    on_progress : callable, optional
        Called with the number of modules that are done, the number of all modules, and the name of
        the next module.

    Raises
    ------
    UserError
        The input is invalid, a file or a block is missing, or ``target`` exists.
    CorruptError
        Data is damaged.
    """
    begin = time.perf_counter()
    model = PublishedModel.open(source, config)
    layout = {name: (tensor.dtype, tensor.shape) for name, tensor in model.others.items()}
    layout |= {name: ("BF16", shape) for name, shape in model.shapes.items()}
    with fresh_folder(target) as folder:
        with TensorFileWriter(folder / _SINGLE, layout, {"format": "pt"}) as writer:
            for index, plan in enumerate(model.plans):
                if on_progress is not None:
                    on_progress(index, len(model.plans), plan.name)
                for name, weight in model.weights_of(plan):
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
