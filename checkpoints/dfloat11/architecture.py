"""A model of transformers from its configuration alone: real buffers, parameters without data."""

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
    """Parameters that are made meanwhile go to the meta device, one by one.

    Buffers stay: those that are not stored, such as rotary frequencies, are computed when a model
    is made.
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


def empty_model(folder: Path) -> Any:
    """The model that ``config.json`` in ``folder`` describes, for inference.

    Raises UserError if there is none, or of an architecture that transformers does not know.
    """
    # Takes a second, which only those who want a model should wait.
    from transformers import AutoConfig, AutoModel, AutoModelForCausalLM

    try:
        config = AutoConfig.from_pretrained(folder, local_files_only=True)
        names = [str(name) for name in getattr(config, "architectures", None) or []]
        is_causal = any(name.endswith(("CausalLM", "LMHeadModel")) for name in names)
        kind: Any = AutoModelForCausalLM if is_causal else AutoModel
        dtype = getattr(config, "dtype", None) or torch.float32
        with _parameters_without_data(), torch.no_grad():
            return kind.from_config(config, dtype=dtype).eval()
    except (OSError, ValueError, KeyError, RuntimeError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise UserError(f"The model in {folder} cannot be made: {reason[:300]}") from error


def stored_names(model: Any) -> dict[str, str]:
    """Under which names checkpoints may hold a tensor, to its name in the model.

    A checkpoint of the model without its head lacks the prefix of the body, and the reverse.
    """
    prefix = str(getattr(model, "base_model_prefix", "") or "")
    own = {name: name for name in model.state_dict()}
    if not prefix:
        return own
    shorter = {name.removeprefix(f"{prefix}."): name for name in own}
    longer = {f"{prefix}.{name}": name for name in own}
    return {**longer, **shorter, **own}
