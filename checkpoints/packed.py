"""A quantized checkpoint on disk: write its description, ``halfbyte.json``, and read its weights.

A checkpoint has one or several safetensors files, the *shards*. An :class:`Operand` says how
weights are quantized: the size of blocks, the type of scales, the clipping, and whether blocks may
be mirrored. A *mirrored* block is quantized with the negated values of the format.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from fractions import Fraction
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import Tensor

from halfbyte.base import Json, Record, UserError, content_key, versions_of
from halfbyte.base.strict_json import unique_keys
from halfbyte.checkpoints.architecture import DESCRIPTION
from halfbyte.checkpoints.checkpoint import Checkpoint
from halfbyte.checkpoints.plan import StoredWeight
from halfbyte.checkpoints.records import (
    CheckpointDescription,
    FormatDescription,
    WeightDescription,
)
from halfbyte.checkpoints.storage import STORAGES, OwnStorage, Storage, is_packed
from halfbyte.checkpoints.tensor_file import StoredTensor
from halfbyte.formats import Format, Ties
from halfbyte.golden import Quantized, unpack
from halfbyte.golden.layers import Layout, from_matrix
from halfbyte.golden.operand import Clipping, Operand, TieRule
from halfbyte.golden.quantizer import SupernormalSign
from halfbyte.golden.scales import ScaleFormat

__all__ = [
    "DESCRIPTION",
    "DIGEST_KEY",
    "Settings",
    "StoredFormat",
    "describe",
    "description_digest",
    "format_from",
    "format_record",
    "read_quantized",
    "stored_format",
    "stored_values",
]

DIGEST_KEY = "halfbyte.description"
"""The entry of a shard's metadata with the digest of the description that belongs to the shard."""

_Record = TypeVar("_Record", bound=Record)


@dataclass(frozen=True)
class Settings:
    """How weights are quantized and written.

    Parameters
    ----------
    format : Format
        The format, with the operand's rule for ties.
    operand : Operand
        The size of blocks, the type of scales, the clipping, and whether blocks may be mirrored.
    dequantize : bool
        Whether to write dequantized values in the original type instead of codes and scales.
    storage : Storage
        The layout of codes and scales in the files.
    """

    format: Format
    operand: Operand
    dequantize: bool = False
    storage: Storage = STORAGES[OwnStorage.name]


@dataclass(frozen=True)
class StoredFormat:
    """The format in which a checkpoint's weights are stored, and how they were quantized to it."""

    format: Format
    operand: Operand

    def is_that_of(self, fmt: Format, operand: Operand) -> bool:
        """Whether quantizing the original to ``fmt``, as ``operand`` says, gives these weights."""
        wanted = operand.format_of(fmt)
        same = (wanted.values, wanted.ties) == (self.format.values, self.format.ties)
        return same and _comparable(operand) == _comparable(self.operand)

    def record(self) -> dict[str, Json]:
        """The operand's settings and the format's name, as a JSON object."""
        return {**self.operand.record(), "format": self.format.name}


def _comparable(operand: Operand) -> tuple[Any, ...]:
    """All settings of an operand that affect the values, except format and ties."""
    return operand.block, operand.scale_format, operand.clip, operand.supernormal_sign


def format_record(fmt: Format) -> FormatDescription:
    """A record with everything that is needed to decode a format's codes.

    Each value is an exact fraction, as text.
    """
    return FormatDescription(
        name=fmt.name,
        title=fmt.title,
        bits=fmt.bits,
        ties=fmt.ties.value,
        values=tuple(str(value) for value in fmt.values),
    )


def format_from(record: FormatDescription) -> Format:
    """The format that a record describes. Raises ValueError or UserError if it is not valid."""
    return Format(
        name=record.name,
        title=record.title,
        bits=record.bits,
        values=tuple(Fraction(value) for value in record.values),
        ties=Ties(record.ties),
    )


def _operand_from(record: Mapping[str, object]) -> Operand:
    """The operand that a record describes; its own ``format`` is None."""
    block = record["block"]
    if block is not None and not isinstance(block, int):
        raise ValueError(f"block must be an integer or null, not {block!r:.60}")
    return Operand(
        block=block,
        scale_format=ScaleFormat(record["scale_format"]),
        clip=Clipping(record["clip"]),
        supernormal_sign=SupernormalSign(record["supernormal_sign"]),
        ties=TieRule(record["ties"]),
    )


def describe(checkpoint: Checkpoint, to: Settings) -> CheckpointDescription:
    """The content of ``halfbyte.json`` for a checkpoint that is quantized with these settings."""
    weights = {weight.name: _weight_record(weight) for weight in checkpoint.weights}
    return CheckpointDescription(
        model=checkpoint.path.resolve().name,
        format=format_record(to.format),
        block=to.operand.block,
        operand=to.operand.record(),
        content="values" if to.dequantize else "codes",
        storage=to.storage.name,
        codes_per_byte=2 if is_packed(to.format) else 1,
        weights=weights,
        copied=tuple(sorted(checkpoint.tensors.keys() - weights.keys())),
        unquantized=checkpoint.plan.kept,
        told_by=checkpoint.plan.told_by,
        versions=versions_of("halfbyte", "torch", "transformers"),
    )


def _weight_record(weight: StoredWeight) -> WeightDescription:
    """The entry of ``halfbyte.json`` for a weight."""
    outputs, inputs = weight.matrix_shape
    return WeightDescription(
        outputs=outputs,
        inputs=inputs,
        experts=weight.experts,
        dtype=weight.tensor.dtype,
        shape=tuple(weight.tensor.shape),
        layout=weight.layout.value,
        groups=weight.groups,
    )


@dataclass(frozen=True)
class _Description:
    """The content of ``halfbyte.json``, as far as it is needed to read the weights."""

    stored: StoredFormat
    storage: Storage
    content: str
    weights: Mapping[str, WeightDescription]
    digest: str

    def check_shards(self, checkpoint: Checkpoint) -> None:
        """Raise UserError for a shard that was written with another description."""
        for shard in checkpoint.shards:
            if shard.metadata.get(DIGEST_KEY, self.digest) != self.digest:
                raise UserError(
                    f"{checkpoint.path / DESCRIPTION} is not the description with which "
                    f"{shard.path.name} was written: restore it, or quantize the model again"
                )


def description_digest(record: Mapping[str, object]) -> str:
    """SHA-256 (hex) of the content of ``halfbyte.json``, without the versions of the tools."""
    return content_key({key: value for key, value in record.items() if key != "versions"})


def _description(folder: Path) -> _Description:
    """Read ``halfbyte.json``. Raises UserError if it is missing or invalid."""
    path = folder / DESCRIPTION
    try:
        record = json.loads(path.read_text(encoding="utf-8"), object_pairs_hook=unique_keys)
        return _Description(
            StoredFormat(
                format_from(_known(FormatDescription, record["format"])),
                _operand_from(record["operand"]),
            ),
            STORAGES[record["storage"]],
            str(record["content"]),
            {k: _known(WeightDescription, v) for k, v in dict(record["weights"]).items()},
            description_digest(record),
        )
    except FileNotFoundError:
        raise UserError(f"{folder} is not a quantized checkpoint: {path.name} is missing") from None
    except (OSError, ValueError, KeyError, TypeError, RecursionError, UserError) as error:
        raise UserError(
            f"{path} cannot be read: {str(error)[:200]}; quantize the model again"
        ) from None


def _known(kind: type[_Record], data: Mapping[str, object]) -> _Record:
    """A record from JSON. Unknown fields, which another release may have written, are ignored."""
    return kind.from_json({each.name: data[each.name] for each in fields(kind)})


def stored_format(folder: Path) -> StoredFormat:
    """The format in a folder's ``halfbyte.json``. Raises UserError if it is missing or invalid."""
    return _description(folder).stored


def read_quantized(folder: Path, name: str) -> Quantized:
    """Read one weight of a folder that :func:`.streaming.quantize_checkpoint` wrote.

    The codes have the shape (outputs, inputs), even if the model stores (inputs, outputs). If the
    weight has matrices of several experts, the experts are the first dimension.

    Raises UserError if the folder has no such weight, or has values instead of codes.
    """
    description, checkpoint = _description(folder), Checkpoint(folder)
    description.check_shards(checkpoint)
    return _read(description, checkpoint, name)


def _read(description: _Description, checkpoint: Checkpoint, name: str) -> Quantized:
    """Read one weight; see :func:`read_quantized`."""
    stored, storage, weights = description.stored, description.storage, description.weights
    names = storage.names(name, stored.operand)
    missing = [each for each in names.values() if each not in checkpoint.tensors]
    if name not in weights or missing or description.content != "codes":
        raise UserError(f"{checkpoint.path} holds no codes and scales of {name[:200]!r}")
    parts = {key: _raw(checkpoint.tensors[each]) for key, each in names.items()}
    inputs = weights[name].inputs
    codes = unpack(parts["codes"], inputs) if is_packed(stored.format) else parts["codes"]
    scales = storage.scales(parts, stored.operand.scale_format)
    block = inputs if stored.operand.block is None else stored.operand.block
    mirrored = parts["mirrored"].bool() if "mirrored" in parts else None
    return Quantized(codes, scales, stored.format, max(1, block), mirrored)


def _raw(tensor: StoredTensor) -> Tensor:
    """The data of a stored tensor; FP8 is given as its bytes."""
    is_fp8 = tensor.dtype.startswith("F8")
    return tensor.read_bytes().reshape(tensor.shape) if is_fp8 else tensor.read()


def stored_values(folder: Path) -> Iterator[tuple[str, Tensor]]:
    """Names and values of all tensors of the model that was quantized.

    A quantized tensor has the FP32 values of its codes, in the shape of the original. Raises
    UserError if the folder holds no codes.
    """
    description, checkpoint = _description(folder), Checkpoint(folder)
    description.check_shards(checkpoint)
    taken: set[str] = set()
    for name, about in description.weights.items():
        quantized = _read(description, checkpoint, name)
        taken |= set(description.storage.names(name, description.stored.operand).values())
        yield name, _as_stored(quantized.dequantize(), about)
    for name, tensor in checkpoint.tensors.items():
        if name not in taken:
            yield name, tensor.read()


def _as_stored(values: Tensor, about: WeightDescription) -> Tensor:
    """Put values, (outputs, inputs) or with experts first, into the layout of the original."""
    layout = Layout(about.layout)
    if about.experts is None:
        return from_matrix(values, about.shape, layout, about.groups)
    each = [from_matrix(matrix, about.shape[1:], layout) for matrix in values]
    return torch.stack(each)
