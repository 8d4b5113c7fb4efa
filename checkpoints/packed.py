"""A quantized checkpoint on disk: what its ``halfbyte.json`` says, and one weight read back.

Beside the tensors that stay as they were, the safetensors files hold for each quantized weight
``NAME`` its ``NAME.codes`` (uint8; two to a byte, the even index in the low nibble, where the
format has at most 4 bits) and its ``NAME.scales`` (float32, one per block). Rows are outputs,
blocks run along the inputs.
"""

import json
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

from halfbyte.base import UserError, versions_of
from halfbyte.checkpoints.checkpoint import Checkpoint
from halfbyte.formats import Format, Ties
from halfbyte.golden import Quantized, unpack

__all__ = [
    "DESCRIPTION",
    "Settings",
    "describe",
    "format_from",
    "format_record",
    "is_packed",
    "read_quantized",
    "stored_names",
]

DESCRIPTION = "halfbyte.json"
NIBBLE = 4  # bits


@dataclass(frozen=True)
class Settings:
    """How weights are quantized, and what is written.

    Parameters
    ----------
    format : Format
    block : int
        Elements that share a scale.
    dequantize : bool
        Write values in the original type, not codes and scales.
    """

    format: Format
    block: int
    dequantize: bool = False


def is_packed(fmt: Format) -> bool:
    """Whether two codes of the format share a byte."""
    return fmt.bits <= NIBBLE


def stored_names(weight: str) -> tuple[str, str]:
    """Under which names the codes and the scales of a weight are stored."""
    return f"{weight}.codes", f"{weight}.scales"


def format_record(fmt: Format) -> dict[str, Any]:
    """All that is needed to decode a format's codes, for JSON; values are exact, as text."""
    return {
        "name": fmt.name,
        "title": fmt.title,
        "bits": fmt.bits,
        "ties": fmt.ties.value,
        "values": [str(value) for value in fmt.values],
    }


def format_from(record: dict[str, Any]) -> Format:
    """Undo :func:`format_record`. Raises KeyError, TypeError or ValueError for what is none."""
    return Format(
        name=record["name"],
        title=record["title"],
        bits=record["bits"],
        values=tuple(Fraction(value) for value in record["values"]),
        ties=Ties(record["ties"]),
    )


def describe(checkpoint: Checkpoint, to: Settings) -> dict[str, Any]:
    """The content of ``halfbyte.json``."""
    weights = {}
    for weight in checkpoint.weights:
        outputs, inputs = checkpoint.matrix_shape(weight)
        weights[weight.name] = {
            "outputs": outputs,
            "inputs": inputs,
            "dtype": weight.dtype,
            "transposed_in_model": checkpoint.is_transposed(weight.name),
        }
    return {
        "format": format_record(to.format),
        "block": to.block,
        "content": "values" if to.dequantize else "codes",
        "codes_per_byte": 2 if is_packed(to.format) else 1,
        "weights": weights,
        "copied": sorted(checkpoint.tensors.keys() - weights.keys()),
        "versions": versions_of("halfbyte", "torch"),
    }


def _description(folder: Path) -> tuple[Format, int, dict[str, Any]]:
    """Format, block size, and the weights by name."""
    path = folder / DESCRIPTION
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        return format_from(record["format"]), record["block"], dict(record["weights"])
    except FileNotFoundError:
        raise UserError(f"{folder} is no quantized checkpoint: {path.name} is missing") from None
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise UserError(f"{path} cannot be read: {str(error)[:200]}") from None


def read_quantized(folder: Path, name: str) -> Quantized:
    """One weight of a folder that ``halfbyte.checkpoints.streaming.quantize_checkpoint`` wrote.

    (outputs, inputs), also for a weight that the model stores as (inputs, outputs).

    Raises UserError if the folder holds no such weight, or values instead of codes.
    """
    fmt, block, weights = _description(folder)
    tensors = Checkpoint(folder).tensors
    stored = [tensors.get(part) for part in stored_names(name)]
    if name not in weights or None in stored:
        raise UserError(f"{folder} holds no codes and scales of {name[:200]!r}")
    codes, scales = (part.read() for part in stored if part is not None)
    if is_packed(fmt):
        codes = unpack(codes, weights[name]["inputs"])
    return Quantized(codes, scales, fmt, block)
