"""Quantize a checkpoint of any size in a small amount of memory.

Tensors are read in *pieces* of whole rows. A piece has at most about a quarter of a million
elements, unless a single row has more. Only one piece at a time is in memory in FP32. In the stored
type, the whole matrix is in memory if it is not stored row by row, or if its tensor holds matrices
of several experts. Tensors that are not quantized are copied in pieces, too.

A checkpoint has one or several files, the *shards*. An :class:`Operand` says how weights are
quantized: the size of blocks, the type of scales, the clipping, and whether blocks may use the
negated values of the format.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from halfbyte.base import Progress, UserError, code_fingerprint, content_key, versions_of
from halfbyte.checkpoints.architecture import check_not_quantized
from halfbyte.checkpoints.checkpoint import CONFIG, Checkpoint
from halfbyte.checkpoints.memory import check_memory
from halfbyte.checkpoints.packed import (
    DIGEST_KEY,
    Settings,
    describe,
    description_digest,
    format_record,
)
from halfbyte.checkpoints.pieces import blaming, matrices, pieces_of, rows_per_piece
from halfbyte.checkpoints.plan import StoredWeight
from halfbyte.checkpoints.records import QuantizationRecord
from halfbyte.checkpoints.storage import STORAGES, OwnStorage
from halfbyte.checkpoints.target import TargetFolder
from halfbyte.checkpoints.tensor_file import FLOATING, TensorFile, TensorFileWriter
from halfbyte.formats import Format
from halfbyte.golden import Quantized, quantize
from halfbyte.golden.clipping import RATIOS, clip_ratios, layer_errors
from halfbyte.golden.codec import check_fp32_range
from halfbyte.golden.layers import Layout, from_matrix
from halfbyte.golden.operand import Clipping, Operand
from halfbyte.golden.rounding import BlockRounding

__all__ = ["needed_memory", "quantize_checkpoint"]

# Called with the name of the current tensor, and the number of tensors done since the last call.
_OnTensor = Callable[[str, int], None]

# Bytes of memory for each element of a piece, at most. By measurement, the quantizer needs 33: for
# the piece in its own type and in FP32, a padded copy, quotients, indices (int32) and codes. The
# allocator may keep as much memory again from earlier pieces. The rest is reserve.
PIECE_BYTES_PER_ELEMENT = 72
_COPY_BUFFER = 1 << 24  # bytes of memory to copy a tensor: 4 MiB for a piece of it, and a reserve
_KEY = "halfbyte"  # the entry of a shard's metadata with a hash of all that its content depends on


def needed_memory(checkpoint: Checkpoint, *, dequantize: bool = False) -> int:
    """The most bytes of memory that quantizing needs, without those of the program itself.

    It needs a piece in FP32 and the quantizer's results for it. If a weight is not stored row by
    row, or has matrices of several experts, one whole matrix is in memory, too, in the weight's own
    type. With ``dequantize``, up to three copies of this matrix are in memory.
    """
    needed = _COPY_BUFFER
    for weight in checkpoint.weights:
        outputs, inputs = weight.matrix_shape
        piece = min(outputs, rows_per_piece(inputs)) * inputs * PIECE_BYTES_PER_ELEMENT
        is_whole = weight.layout is not Layout.ROWS or weight.experts is not None
        matrix = weight.tensor.bytes // (weight.experts or 1)
        needed = max(needed, piece + (matrix * (3 if dequantize else 1) if is_whole else 0))
    return needed


@dataclass(frozen=True)
class _Shared:
    """What all blocks of a matrix of the model have in common.

    ``tensor_absmax`` is the largest absolute value, if the tensor has a scale of its own. ``clip``
    is the clipping ratio of the layer, if there is one: the scale of each block is computed from
    the block's largest magnitude times this ratio.
    """

    tensor_absmax: Tensor | None = None
    clip: float | None = None


class _Quantizer:
    """Quantizes pieces of weights.

    All pieces of a matrix may share a scale, a clipping ratio, or both. For each of these, the
    whole matrix is read once before its first piece is quantized.
    """

    def __init__(self, checkpoint: Checkpoint, to: Settings) -> None:
        self.to = to
        # The model may join several stored tensors into one matrix. They have the same ``family``.
        self._families: dict[str, list[StoredWeight]] = {}
        for weight in checkpoint.weights:
            self._families.setdefault(weight.family, []).append(weight)
        self._known: dict[tuple[str, int], _Shared] = {}

    def shared(self, weight: StoredWeight, number: int) -> _Shared:
        """What all blocks of matrix ``number`` of a stored tensor have in common."""
        key = weight.family, number
        if key not in self._known:
            family = self._families[weight.family]
            absmax = self._absmax(family, number) if self._has_tensor_scale else None
            clip = None
            if self.to.operand.clip is Clipping.MSE_LAYER:
                clip = self._layer_clip(family, number, absmax)
            self._known[key] = _Shared(absmax, clip)
        return self._known[key]

    @property
    def _has_tensor_scale(self) -> bool:
        return self.to.operand.scale_format.has_tensor_scale

    def _absmax(self, family: list[StoredWeight], number: int) -> Tensor:
        """The largest absolute value in the tensors that become one matrix, float32."""
        largest = [p.abs().amax().float() for w in family for _, p in pieces_of(w, number)]
        return torch.stack(largest).amax()

    def _layer_clip(self, family: list[StoredWeight], number: int, absmax: Tensor | None) -> float:
        """The clipping ratio with the smallest squared error in the tensors of one matrix."""
        rounding = BlockRounding(self.to.format, self.to.operand, absmax)
        errors = torch.zeros(len(RATIOS), dtype=torch.float64)
        for weight in family:
            for first, rows in pieces_of(weight, number):
                with blaming(weight, first, rows):
                    errors += layer_errors(rounding, rows.float())
        return RATIOS[errors.tolist().index(float(errors.min()))]

    def quantize(self, weight: StoredWeight, number: int, first: int, rows: Tensor) -> Quantized:
        """Quantize a piece, (rows, inputs), of matrix ``number``; ``first`` is its first row.

        Raises UserError, which names the row, if a value is not finite.
        """
        operand, shared = self.to.operand, self.shared(weight, number)
        with blaming(weight, first, rows):
            clip: float | Tensor = 1.0 if shared.clip is None else shared.clip
            if operand.clip is Clipping.MSE_BLOCK:
                rounding = BlockRounding(self.to.format, operand, shared.tensor_absmax)
                clip = clip_ratios(rounding, rows.float())
            return quantize(
                rows,
                self.to.format,
                block=operand.block,
                scale_format=operand.scale_format,
                clip=clip,
                supernormal_sign=operand.supernormal_sign,
                tensor_absmax=shared.tensor_absmax,
            )


def _write_codes(writer: TensorFileWriter, weight: StoredWeight, quantizer: _Quantizer) -> None:
    """Quantize a weight, and write its codes and scales."""
    storage, operand = quantizer.to.storage, quantizer.to.operand
    names = storage.names(weight.name, operand)
    for number, pieces in matrices(weight):
        scale: Tensor | None = None
        for first, rows in pieces:
            quantized = quantizer.quantize(weight, number, first, rows)
            for key, part in storage.parts(quantized, operand).items():
                writer.append(names[key], part)
            scale = quantized.tensor_scale
        if scale is not None:
            writer.append(names["tensor_scale"], storage.tensor_scale(scale))


def _write_values(writer: TensorFileWriter, weight: StoredWeight, quantizer: _Quantizer) -> None:
    """Quantize a weight, and write its dequantized values in the original type and layout."""
    shape = weight.tensor.shape if weight.experts is None else weight.tensor.shape[1:]
    for number, pieces in matrices(weight):
        values = (
            quantizer.quantize(weight, number, first, rows).dequantize().to(rows.dtype)
            for first, rows in pieces
        )
        if weight.layout is Layout.ROWS:
            for piece in values:
                writer.append(weight.name, piece)
            continue
        matrix = torch.cat(list(values))
        writer.append(weight.name, from_matrix(matrix, shape, weight.layout, weight.groups))


def _layout(
    shard: TensorFile, checkpoint: Checkpoint, to: Settings
) -> dict[str, tuple[str, tuple[int, ...]]]:
    """Types and shapes of the tensors that are written for a shard."""
    weights = {} if to.dequantize else {weight.name: weight for weight in checkpoint.weights}
    layout: dict[str, tuple[str, tuple[int, ...]]] = {}
    for name, tensor in shard.tensors.items():
        if name in weights:
            layout |= to.storage.shapes(weights[name], to.format, to.operand)
        else:
            layout[name] = (tensor.dtype, tensor.shape)
    return layout


def _shard_key(shard: TensorFile, checkpoint: Checkpoint, to: Settings) -> str:
    """A hash of all that a finished shard depends on.

    For the source file, the hash covers name, size and time of change, but not the data.
    """
    status = shard.path.stat()
    return content_key(
        {
            "format": format_record(to.format).as_json(),
            "operand": to.operand.record(),
            "dequantize": to.dequantize,
            "storage": to.storage.name,
            "config": checkpoint.config,
            "weights": [[w.name, w.layout.value, w.experts, w.family] for w in checkpoint.weights],
            "source": [shard.path.name, status.st_size, status.st_mtime_ns, list(shard.tensors)],
            "code": code_fingerprint(__name__),
        }
    )


def _is_finished(path: Path, key: str) -> bool:
    """Whether an earlier run wrote this shard with the same key."""
    try:
        return path.is_file() and TensorFile.open(path).metadata.get(_KEY) == key
    except UserError:  # the file is damaged, so it is written again
        return False


def _write_shard(
    shard: TensorFile,
    target: Path,
    checkpoint: Checkpoint,
    quantizer: _Quantizer,
    digest: str,
    on_tensor: _OnTensor,
) -> bool:
    """Write a shard, unless an earlier run wrote it with the same key; returns whether it wrote."""
    to = quantizer.to
    key = _shard_key(shard, checkpoint, to)
    if _is_finished(target, key):
        on_tensor("", len(shard.tensors))
        return False
    weights = {weight.name: weight for weight in checkpoint.weights}
    write = _write_values if to.dequantize else _write_codes
    metadata = {"format": "pt", **shard.metadata, _KEY: key, DIGEST_KEY: digest}
    with TensorFileWriter(target, _layout(shard, checkpoint, to), metadata) as writer:
        for name, tensor in shard.tensors.items():
            on_tensor(name, 0)
            if name in weights:
                write(writer, weights[name], quantizer)
            else:
                tensor.copy_to(writer)
            on_tensor(name, 1)
    return True


def _check_source(checkpoint: Checkpoint, to: Settings) -> None:
    """Raise UserError if the checkpoint cannot be quantized with these settings."""
    if not checkpoint.path.is_dir():
        raise UserError(f"{checkpoint.path} is one file: give its directory, which has {CONFIG}")
    check_not_quantized(checkpoint.config, checkpoint.path)
    if checkpoint.plan.flaw:
        raise UserError(checkpoint.plan.flaw)
    for tensor in checkpoint.tensors.values():
        if len(tensor.shape) > 1 and not tensor.elements and tensor.dtype in FLOATING:
            raise UserError(
                f"Tensor {tensor.name[:200]} in {tensor.file} has the shape {tensor.shape}, "
                "without a single element: fetch or save the model again"
            )
    if not checkpoint.weights:
        raise UserError(
            f"{checkpoint.path} has nothing to quantize: no floating-point weights of layers "
            "other than embeddings, output head and routers"
        )
    if to.dequantize:
        return
    to.storage.check(checkpoint.plan, to.format, to.operand)
    taken = {
        name
        for weight in checkpoint.weights
        for name in to.storage.names(weight.name, to.operand).values()
    }
    if clash := checkpoint.tensors.keys() & taken:
        raise UserError(
            f"{checkpoint.path} has a tensor {min(clash)}, but its quantized form needs this name"
        )


def quantize_checkpoint(
    checkpoint: Checkpoint,
    fmt: Format,
    output: Path,
    *,
    operand: Operand | None = None,
    dequantize: bool = False,
    storage: str = OwnStorage.name,
    on_progress: Progress | None = None,
) -> QuantizationRecord:
    """Quantize :attr:`Checkpoint.weights` into the folder ``output``, and copy the other tensors.

    Tokenizer, configurations, code and licences are copied, too.

    Writes codes and scales (:mod:`halfbyte.checkpoints.storage`). With ``dequantize`` it writes the
    values that these codes and scales stand for, in the original type and with the original names,
    so that any tool can run the model. After an interruption, a new run writes only the shards that
    are missing.

    Parameters
    ----------
    checkpoint : Checkpoint
        The model to quantize.
    fmt : Format
        The format to quantize to.
    output : Path
        The folder to write to.
    operand : Operand, optional
        How weights are quantized; by default, in blocks of 128 with FP32 scales.
    dequantize : bool
        Whether to write values instead of codes.
    storage : str
        The layout to write: ``halfbyte``, or ``compressed-tensors`` for MXFP4 and NVFP4 models that
        transformers can load.
    on_progress : callable, optional
        Called with the number of tensors that are done, the number of all tensors, and the name of
        the current tensor.

    Returns
    -------
    QuantizationRecord
        Sizes in bytes, counts, tensors that were only copied, and the time in s.

    Raises
    ------
    UserError
        The model cannot be read or quantized, ``storage`` is unknown, there is not enough memory,
        or ``output`` holds other files.
    """
    begin = time.perf_counter()
    if storage not in STORAGES:
        raise UserError(f"storage must be one of {', '.join(STORAGES)}, not {storage!r:.60}")
    how = operand or Operand()
    to = Settings(how.format_of(fmt), how, dequantize, STORAGES[storage])
    check_fp32_range(to.format)
    _check_source(checkpoint, to)
    target = TargetFolder(output, checkpoint)
    needed = needed_memory(checkpoint, dequantize=dequantize)
    check_memory(needed, f"Quantizing {checkpoint.path}")
    done = 0

    def on_tensor(name: str, count: int) -> None:
        nonlocal done
        done += count
        if on_progress is not None:
            on_progress(done, len(checkpoint.tensors), name)

    with target.locked(), torch.inference_mode():
        description = describe(checkpoint, to)
        target.begin(description)
        digest = description_digest(description.as_json())
        quantizer = _Quantizer(checkpoint, to)
        written = [
            _write_shard(shard, output / shard.path.name, checkpoint, quantizer, digest, on_tensor)
            for shard in checkpoint.shards
        ]
        target.finish(to)
    return _record(checkpoint, output, to, written, time.perf_counter() - begin)


def _record(
    checkpoint: Checkpoint, output: Path, to: Settings, written: list[bool], seconds: float
) -> QuantizationRecord:
    return QuantizationRecord(
        model=str(checkpoint.path),
        output=str(output),
        format=to.format.name,
        block=to.operand.block,
        operand=to.operand.record(),
        dequantized=to.dequantize,
        storage=to.storage.name,
        weights=len(checkpoint.weights),
        copied=len(checkpoint.tensors) - len(checkpoint.weights),
        unquantized=checkpoint.plan.kept,
        told_by=checkpoint.plan.told_by,
        parameters=sum(weight.tensor.elements for weight in checkpoint.weights),
        bytes_before=sum(shard.path.stat().st_size for shard in checkpoint.shards),
        bytes_after=sum((output / s.path.name).stat().st_size for s in checkpoint.shards),
        shards=len(written),
        shards_kept=written.count(False),
        needed_memory=needed_memory(checkpoint, dequantize=to.dequantize),
        seconds=seconds,
        versions=versions_of("halfbyte", "torch"),
    )
