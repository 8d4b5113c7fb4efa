"""Quantizes a checkpoint of any size in a small, constant amount of memory.

Shard by shard, tensor by tensor, and of a tensor a quarter of a million elements at a time, in
whole rows: only those are ever held in FP32. What is not quantized is copied in pieces, whatever
its type.
"""

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import torch
from torch import Tensor

from halfbyte.base import Progress, UserError, code_fingerprint, content_key, versions_of
from halfbyte.checkpoints.checkpoint import CONFIG, Checkpoint
from halfbyte.checkpoints.memory import check_memory
from halfbyte.checkpoints.packed import Settings, describe, format_record, is_packed, stored_names
from halfbyte.checkpoints.records import QuantizationRecord
from halfbyte.checkpoints.target import TargetFolder
from halfbyte.checkpoints.tensor_file import StoredTensor, TensorFile, TensorFileWriter
from halfbyte.formats import MAX_TERMS, Format
from halfbyte.golden import Quantized, pack, quantize
from halfbyte.golden.checks import check_integer
from halfbyte.golden.codec import check_fp32_range
from halfbyte.golden.quantizer import DEFAULT_BLOCK

__all__ = ["needed_memory", "quantize_checkpoint"]

_OnTensor = Callable[[str, int], None]  # name, and how many more are done

PIECE_ELEMENTS = 1 << 18
# What the quantizer takes at its peak: the piece in its own type and in FP32, its padded copy,
# quotients, intervals (int32) and codes, measured at 33; and as much again for what the allocator
# keeps of earlier pieces.
PIECE_BYTES_PER_ELEMENT = 72
_COPY_BUFFER = 1 << 24  # bytes, with room for the allocator
_KEY = "halfbyte"  # in a shard's metadata: what its content depends on


def _rows_per_piece(inputs: int) -> int:
    return max(1, PIECE_ELEMENTS // inputs)


def needed_memory(checkpoint: Checkpoint, *, dequantize: bool = False) -> int:
    """Bytes that quantizing takes at most, besides the program itself.

    A piece in FP32 with what the quantizer makes of it; and, of a weight that is stored
    (inputs, outputs), the whole tensor in its own type, three times while it is turned back.
    """
    needed = _COPY_BUFFER
    for weight in checkpoint.weights:
        outputs, inputs = checkpoint.matrix_shape(weight)
        transposed = checkpoint.is_transposed(weight.name)
        piece = min(outputs, _rows_per_piece(inputs)) * inputs * PIECE_BYTES_PER_ELEMENT
        whole = weight.bytes * (3 if dequantize else 1) if transposed else 0
        needed = max(needed, piece + whole)
    return needed


def _pieces(weight: StoredTensor, transposed: bool) -> Iterator[tuple[int, Tensor]]:
    """First row and (rows, inputs), in the stored type, until the weight is through."""
    whole = weight.read().T if transposed else None
    outputs, inputs = whole.shape if whole is not None else weight.shape
    step = _rows_per_piece(inputs)
    for first in range(0, outputs, step):
        last = min(first + step, outputs)
        yield first, weight.read(first, last) if whole is None else whole[first:last].contiguous()


def _quantize_rows(weight: StoredTensor, first: int, rows: Tensor, to: Settings) -> Quantized:
    """rows: (rows, inputs). UserError names tensor, layer and rows of what cannot be quantized."""
    try:
        return quantize(rows, to.format, block=to.block)
    except ValueError as error:
        layer = weight.name.removesuffix(".weight")
        where = f"Layer {layer}: tensor {weight.name} in {weight.file}"
        bad = (~rows.to(torch.float32).isfinite()).sum(dim=1)  # (rows,)
        if not bool(bad.any()):
            raise UserError(f"{where} cannot be quantized: {error}") from error
        row = int(bad.nonzero()[0])
        kind = "NaN" if bool(rows[row].isnan().any()) else "values that are infinite in FP32"
        raise UserError(
            f"{where} holds {kind}, first in the row of output {first + row}; the checkpoint is "
            "damaged or its training diverged"
        ) from error


def _write_codes(
    writer: TensorFileWriter, weight: StoredTensor, transposed: bool, to: Settings
) -> None:
    codes, scales = stored_names(weight.name)
    for first, rows in _pieces(weight, transposed):
        quantized = _quantize_rows(weight, first, rows, to)
        writer.append(codes, pack(quantized.codes) if is_packed(to.format) else quantized.codes)
        writer.append(scales, quantized.scales)


def _write_values(
    writer: TensorFileWriter, weight: StoredTensor, transposed: bool, to: Settings
) -> None:
    values = (
        _quantize_rows(weight, first, rows, to).dequantize().to(rows.dtype)
        for first, rows in _pieces(weight, transposed)
    )
    if transposed:
        writer.append(weight.name, torch.cat(list(values)).T)
        return
    for piece in values:
        writer.append(weight.name, piece)


def _layout(
    shard: TensorFile, checkpoint: Checkpoint, to: Settings
) -> dict[str, tuple[str, tuple[int, ...]]]:
    """Types and shapes of the tensors that come of a shard."""
    weights = set() if to.dequantize else {weight.name for weight in checkpoint.weights}
    layout: dict[str, tuple[str, tuple[int, ...]]] = {}
    for name, tensor in shard.tensors.items():
        if name not in weights:
            layout[name] = (tensor.dtype, tensor.shape)
            continue
        outputs, inputs = checkpoint.matrix_shape(tensor)
        width = -(-inputs // 2) if is_packed(to.format) else inputs
        codes, scales = stored_names(name)
        layout[codes] = ("U8", (outputs, width))
        layout[scales] = ("F32", (outputs, -(-inputs // to.block)))
    return layout


def _shard_key(shard: TensorFile, checkpoint: Checkpoint, to: Settings) -> str:
    """What a finished shard depends on; the source by size and time, not by reading it all."""
    status = shard.path.stat()
    return content_key(
        {
            "format": format_record(to.format),
            "block": to.block,
            "dequantize": to.dequantize,
            "model_type": checkpoint.config.get("model_type"),
            "source": [shard.path.name, status.st_size, status.st_mtime_ns, list(shard.tensors)],
            "code": code_fingerprint(__name__),
        }
    )


def _is_finished(path: Path, key: str) -> bool:
    try:
        return path.is_file() and TensorFile.open(path).metadata.get(_KEY) == key
    except UserError:  # damaged since: it is written again
        return False


def _write_shard(
    shard: TensorFile, target: Path, checkpoint: Checkpoint, to: Settings, on_tensor: _OnTensor
) -> bool:
    """Whether the shard had to be written: one that is there with the same settings is kept."""
    key = _shard_key(shard, checkpoint, to)
    if _is_finished(target, key):
        on_tensor("", len(shard.tensors))
        return False
    weights = {weight.name for weight in checkpoint.weights}
    write = _write_values if to.dequantize else _write_codes
    metadata = {"format": "pt", **shard.metadata, _KEY: key}
    with TensorFileWriter(target, _layout(shard, checkpoint, to), metadata) as writer:
        for name, tensor in shard.tensors.items():
            on_tensor(name, 0)
            if name in weights:
                write(writer, tensor, checkpoint.is_transposed(name), to)
            else:
                tensor.copy_to(writer)
            on_tensor(name, 1)
    return True


def _check_source(checkpoint: Checkpoint) -> None:
    if not checkpoint.path.is_dir():
        raise UserError(f"{checkpoint.path} is one file: give its directory, with {CONFIG}")
    if "quantization_config" in checkpoint.config:
        raise UserError(f"{checkpoint.path} is quantized already, its {CONFIG} says")
    if not checkpoint.weights:
        raise UserError(
            f"{checkpoint.path} has nothing to quantize: no two-dimensional floating-point "
            "*.weight besides embeddings, output head and norms"
        )
    taken = {name for weight in checkpoint.weights for name in stored_names(weight.name)}
    if clash := checkpoint.tensors.keys() & taken:
        raise UserError(f"{checkpoint.path} has a tensor {min(clash)}, a name that is needed here")


def quantize_checkpoint(
    checkpoint: Checkpoint,
    fmt: Format,
    output: Path,
    *,
    block: int = DEFAULT_BLOCK,
    dequantize: bool = False,
    on_progress: Progress | None = None,
) -> QuantizationRecord:
    """Quantize :attr:`Checkpoint.weights` into the folder ``output``; copy everything else.

    Writes codes and scales (see :mod:`halfbyte.checkpoints.packed`), or with ``dequantize`` the
    values that the hardware has, in the type and under the names of the original, for any tool to
    run. A run that was cut short continues with the shards that are missing.

    Returns a record: sizes in bytes, counts, seconds.

    Raises
    ------
    UserError
        The model cannot be read or quantized, there is not enough memory, or ``output`` holds
        something else.
    """
    begin = time.perf_counter()
    check_fp32_range(fmt)
    to = Settings(fmt, check_integer("block", block, 1, MAX_TERMS), dequantize)
    _check_source(checkpoint)
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
        target.begin(describe(checkpoint, to))
        written = [
            _write_shard(shard, output / shard.path.name, checkpoint, to, on_tensor)
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
        block=to.block,
        dequantized=to.dequantize,
        weights=len(checkpoint.weights),
        copied=len(checkpoint.tensors) - len(checkpoint.weights),
        parameters=sum(weight.elements for weight in checkpoint.weights),
        bytes_before=sum(shard.path.stat().st_size for shard in checkpoint.shards),
        bytes_after=sum((output / s.path.name).stat().st_size for s in checkpoint.shards),
        shards=len(written),
        shards_kept=written.count(False),
        needed_memory=needed_memory(checkpoint, dequantize=to.dequantize),
        seconds=seconds,
        versions=versions_of("halfbyte", "torch"),
    )
