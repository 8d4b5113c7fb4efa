"""Create a model from its configuration, with parameters that have no data yet.

Such parameters are on PyTorch's meta device. A model's *head* is a layer on top of it, such as the
output layer of a language model.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import nn

from halfbyte.base import UserError

__all__ = ["empty_model", "stored_names"]


@contextmanager
def _parameters_without_data() -> Iterator[None]:
    """Within this context, new parameters are on the meta device: they have no data.

    Buffers have data, because files do not contain all of them. For example, rotary frequencies are
    computed when a model is created.
    """
    register = nn.Module.register_parameter

    def register_empty(module: nn.Module, name: str, param: nn.Parameter | None) -> None:
        if param is not None and param.device.type != "meta":
            param = nn.Parameter(param.data.to("meta"), requires_grad=False)
        register(module, name, param)

    nn.Module.register_parameter = register_empty  # type: ignore[method-assign, assignment]
    try:
        yield
    finally:
        nn.Module.register_parameter = register  # type: ignore[method-assign]


def _class_of(config: Any) -> Any:
    """The first class in ``architectures`` that transformers knows, else AutoModel (no head)."""
    import transformers

    for name in getattr(config, "architectures", None) or []:
        found = getattr(transformers, str(name), None)
        if isinstance(found, type) and issubclass(found, transformers.PreTrainedModel):
            return found
    return transformers.AutoModel


def _diffusers_class(folder: Path) -> str | None:
    """The class name in a configuration of diffusers; None for any other configuration."""
    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return None
    name = config.get("_class_name") if isinstance(config, dict) else None
    return name if isinstance(name, str) and name.isidentifier() else None


def _empty_diffusers_model(folder: Path, name: str, dtype: torch.dtype | None) -> Any:
    """Create a model of the diffusers class ``name``; see :func:`empty_model`."""
    try:
        import diffusers
    except ImportError:
        what = f"{folder} is a model of diffusers, which is not installed"
        raise UserError(f"{what}: pip install diffusers") from None
    found = getattr(diffusers, name, None)
    if not (isinstance(found, type) and issubclass(found, diffusers.ModelMixin)):
        raise UserError(f"The model in {folder} cannot be created: diffusers has no model {name}")
    kind: Any = found
    try:
        config = kind.load_config(folder, local_files_only=True)
        with _parameters_without_data(), torch.no_grad():
            model = kind.from_config(config).eval()
            return nn.Module.to(model, dtype=dtype or torch.float32)
    except (OSError, ValueError, KeyError, RuntimeError, TypeError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise UserError(f"The model in {folder} cannot be created: {reason[:300]}") from error


def empty_model(folder: Path, *, dtype: torch.dtype | None = None) -> Any:
    """Create the model that ``config.json`` in ``folder`` describes, for inference.

    Its parameters are on the meta device; its buffers have data. Its class is the one that the
    configuration names. If transformers does not know this class, the model has no head. If the
    folder has settings for the generation of text, the model gets them. ``dtype`` is the type of
    its parameters if the configuration gives none.

    Raises UserError if the configuration is missing, or if neither transformers nor diffusers can
    create the model.
    """
    if (name := _diffusers_class(folder)) is not None:
        return _empty_diffusers_model(folder, name, dtype)
    # This import takes a second, so it is not at the top of the module.
    from transformers import AutoConfig, AutoModel, GenerationConfig

    try:
        config = AutoConfig.from_pretrained(folder, local_files_only=True)
        kind = _class_of(config)
        wanted = getattr(config, "dtype", None) or dtype or torch.float32
        make = kind.from_config if kind is AutoModel else kind._from_config
        with _parameters_without_data(), torch.no_grad():
            model = make(config, dtype=wanted).eval()
        if (folder / "generation_config.json").is_file() and model.can_generate():
            model.generation_config = GenerationConfig.from_pretrained(folder)
        return model
    except (OSError, ValueError, KeyError, RuntimeError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise UserError(f"The model in {folder} cannot be created: {reason[:300]}") from error


def stored_names(model: Any) -> dict[str, str]:
    """For each name that a tensor may have in a checkpoint, the tensor's name in the model.

    A checkpoint may come from a model with or without a head. Names in a model with a head have a
    prefix such as ``model.``; names in a model without a head do not.
    """
    prefix = str(getattr(model, "base_model_prefix", "") or "")
    own = {name: name for name in model.state_dict()}
    if not prefix:
        return own
    shorter = {name.removeprefix(f"{prefix}."): name for name in own}
    longer = {f"{prefix}.{name}": name for name in own}
    return {**longer, **shorter, **own}
