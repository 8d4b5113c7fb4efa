"""Find out what kind of model a configuration describes.

Also find the parameter into which each stored tensor is loaded.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from halfbyte.base import UserError
from halfbyte.base.strict_json import unique_keys
from halfbyte.base.user_files import read_start

if TYPE_CHECKING:
    from torch import nn

__all__ = [
    "DESCRIPTION",
    "Place",
    "architectures",
    "check_not_quantized",
    "is_quantized",
    "kind_of",
    "model_class",
    "not_read",
    "places",
    "plain_config",
    "quantization_of",
    "read_config",
    "reason_of",
    "skeleton",
]

DESCRIPTION = "halfbyte.json"  # the file that describes a checkpoint that halfbyte quantized
_CAUSAL = ("CausalLM", "LMHeadModel")  # how the class names of causal language models end
_MAX_BYTES = 100_000_000  # the most bytes that a JSON file may have
# Entries of a configuration that describe parts for images and sound.
_OTHER_PARTS = ("vision_config", "audio_config")
# Files that tools for quantization write beside config.json.
_QUANTIZER_FILES = ("quantize_config.json", "quant_config.json", "hf_quant_config.json")


def quantization_of(config: Mapping[str, object]) -> Mapping[str, object] | None:
    """The part of a configuration that describes quantized weights; None if it has no such part."""
    parts = [config, *(part for part in config.values() if isinstance(part, Mapping))]
    for part in parts:
        if found := part.get("quantization_config") or part.get("compression_config"):
            return found if isinstance(found, Mapping) else {"quant_method": str(found)}
    return None


def is_quantized(folder: Path) -> bool:
    """Whether the folder holds codes of quantized weights that halfbyte wrote."""
    path = folder / DESCRIPTION
    return path.is_file() and read_config(path).get("content") == "codes"


def check_not_quantized(config: Mapping[str, object], folder: Path, *, own: bool = False) -> None:
    """Raise UserError if the weights are quantized. ``own`` allows codes that halfbyte wrote."""
    if own and is_quantized(folder):
        return
    found = quantization_of(config)
    method = str(found.get("quant_method", "some method"))[:40] if found is not None else None
    if method is None:
        beside = [name for name in _QUANTIZER_FILES if (folder / name).is_file()]
        method = f"as {beside[0]} says" if beside else None
    if method is not None:
        raise UserError(
            f"{folder} is quantized already ({method}): give the model with its original weights"
        )


def architectures(config: Mapping[str, object]) -> list[str]:
    """The names of classes in a configuration's entry ``architectures``."""
    found = config.get("architectures")
    return [str(name) for name in found] if isinstance(found, list | tuple) else []


def kind_of(config: Mapping[str, object], folder: Path) -> str:
    """``causal`` for a model that predicts the next token, ``encoder`` for one that embeds texts.

    Raises UserError for models of other kinds.
    """
    names = architectures(config)
    what = names[0] if names else str(config.get("model_type", "no architecture"))
    other = next((part for part in _OTHER_PARTS if config.get(part)), None)
    if any(name.endswith(_CAUSAL) for name in names) and not config.get("is_encoder_decoder"):
        return "causal"
    if config.get("is_encoder_decoder") or any("ForConditionalGeneration" in n for n in names):
        raise UserError(
            f"{folder} holds {what[:100]}, which is neither a causal language model nor an "
            "encoder of texts: sequence-to-sequence and multimodal models are not supported"
        )
    if other is not None:
        raise UserError(
            f"{folder} holds {what[:100]}, a model with a {other.removesuffix('_config')} part: "
            "only language models are supported"
        )
    return "encoder" if names else _kind_by_type(config, folder)


def _kind_by_type(config: Mapping[str, object], folder: Path) -> str:
    """The kind of model by the entry ``model_type``, if the entry ``architectures`` is missing."""
    from transformers.models.auto import modeling_auto

    kind = config.get("model_type")
    if kind in modeling_auto.MODEL_FOR_MASKED_LM_MAPPING_NAMES:
        return "encoder"
    if kind in modeling_auto.MODEL_FOR_SEQ_TO_SEQ_CAUSAL_LM_MAPPING_NAMES:
        raise UserError(f"{folder}: sequence-to-sequence models ({kind}) are not supported")
    if kind in modeling_auto.MODEL_FOR_CAUSAL_LM_MAPPING_NAMES:
        return "causal"
    raise UserError(
        f"{folder / 'config.json'} names no architectures, and its model_type is {kind!r:.60}: add "
        'the class, such as "architectures": ["LlamaForCausalLM"]'
    )


def model_class(kind: str) -> Any:
    """The class of transformers for ``causal`` or ``encoder``, or the class with the name ``kind``.

    Raises UserError if transformers has no such class.
    """
    import transformers

    if kind in ("causal", "encoder"):
        name = "AutoModelForCausalLM" if kind == "causal" else "AutoModel"
        return getattr(transformers, name)
    found = getattr(transformers, kind, None) if kind.isidentifier() else None
    if not hasattr(found, "_from_config"):
        raise UserError(f"transformers knows no model {kind[:100]!r}")
    return found


def plain_config(folder: Path) -> Any:
    """The folder's configuration as an object of transformers, without its quantization entry."""
    from transformers import AutoConfig

    config = AutoConfig.from_pretrained(folder, local_files_only=True)
    if hasattr(config, "quantization_config"):
        del config.quantization_config
    return config


def skeleton(folder: Path, kind: str) -> Any:
    """The model that ``config.json`` describes, on PyTorch's meta device: its tensors have no data.

    Raises UserError if transformers cannot create it.
    """
    import torch

    try:
        with torch.device("meta"):
            found = model_class(kind)
            make = getattr(found, "from_config", None) or found._from_config
            return make(plain_config(folder), dtype=torch.float32).eval()
    except UserError:
        raise
    except Exception as error:  # a configuration can fail in many ways
        raise UserError(f"The model in {folder} cannot be created: {reason_of(error)}") from error


def reason_of(error: BaseException) -> str:
    """The message of another library's error, as one line."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    # transformers lists the wrong shapes only in its log.
    if lines and "ignore_mismatched_sizes" in lines[0]:
        return "its tensors do not have the shapes that config.json gives"
    count = 2 if lines and lines[0].endswith(":") else 1
    return " ".join(lines[:count] or [type(error).__name__])[:300]


def not_read(model: "nn.Module") -> "list[nn.Module]":
    """Modules whose outputs no evaluation uses: the pooler of an encoder, if there is one.

    A pooler computes one vector from the first token's output.
    """
    from torch import nn

    pooler = getattr(model, "pooler", None)
    return [pooler] if isinstance(pooler, nn.Module) else []


@dataclass(frozen=True)
class Place:
    """The parameter of a model into which transformers loads a stored tensor.

    Parameters
    ----------
    name : str
        Name of the parameter in the model; several tensors may become one parameter.
    is_turned : bool
        Whether loading exchanges the last two dimensions of the tensor.
    axes : tuple of int
        Dimensions of the parameter along which loading joins several stored tensors or splits one.
    is_converted : bool
        Whether loading may change the shape of the tensor.
    """

    name: str
    is_turned: bool = False
    axes: tuple[int, ...] = ()
    is_converted: bool = False


def places(model: Any, stored: Iterable[str]) -> dict[str, Place]:
    """The parameter for each of the ``stored`` tensors that transformers would load.

    Names in a checkpoint may differ from those in the model: they may have another prefix, or
    come from an older version of transformers. In a mixture of experts, a checkpoint may have one
    tensor for each expert, while the model has one for all experts.
    """
    from transformers.conversion_mapping import get_model_conversion_mapping
    from transformers.core_model_loading import WeightConverter, WeightRenaming, rename_source_key

    known = model.state_dict()
    transforms = get_model_conversion_mapping(model)
    renamings = [each for each in transforms if isinstance(each, WeightRenaming)]
    converters = [each for each in transforms if isinstance(each, WeightConverter)]
    operations = {
        pattern: each.operations for each in converters for pattern in each.source_patterns
    }
    found = {}
    for source in stored:
        name, pattern = rename_source_key(
            source, renamings, converters, model.base_model_prefix, known
        )
        if name in known:
            steps = list(operations.get(pattern, ()))
            found[source] = Place(name, *_changes(steps), bool(steps))
    return found


def _changes(operations: Iterable[Any]) -> tuple[bool, tuple[int, ...]]:
    """Whether a conversion transposes matrices, and the dimensions that it joins or splits."""
    steps = list(operations)
    is_turned = sum(type(step).__name__ == "Transpose" for step in steps) % 2 == 1
    axes = (step.dim for step in steps if isinstance(getattr(step, "dim", None), int))
    return is_turned, tuple(axes)


def read_config(path: Path) -> dict[str, object]:
    """Read a JSON file of a model's folder, such as ``config.json``.

    Raises UserError if it is missing, cannot be read, or does not hold a mapping.
    """
    try:
        raw = read_start(path, _MAX_BYTES + 1)
        if len(raw) > _MAX_BYTES:
            raise ValueError(f"it has more than {_MAX_BYTES} bytes")
        found = json.loads(raw.decode("utf-8"), object_pairs_hook=unique_keys)
    except FileNotFoundError:
        raise UserError(f"{path.parent} is not a model directory: {path.name} is missing") from None
    except (OSError, ValueError, RecursionError) as error:
        raise UserError(f"{path} cannot be read: {str(error)[:200]}") from None
    if not isinstance(found, dict):
        raise UserError(f"{path} must hold a mapping, not {type(found).__name__}")
    return found
