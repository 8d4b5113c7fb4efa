"""Check that the stored tensors of a model have the names and shapes that the model needs.

A *head* is a layer on top of an encoder, for example for classification. A *pooler* computes one
vector for a text. halfbyte evaluates encoders without heads and poolers.
"""

import inspect
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from halfbyte.base import UserError
from halfbyte.checkpoints.architecture import Place, not_read, places, plain_config
from halfbyte.checkpoints.tensor_file import StoredTensor

if TYPE_CHECKING:
    from torch import Tensor, nn

__all__ = ["check_complete", "check_names", "check_shapes", "of_the_head"]


def check_complete(model: Any, tensors: Mapping[str, StoredTensor], folder: Path) -> None:
    """Raise UserError unless the tensors are those that the model needs, heads and poolers aside.

    The model is on PyTorch's meta device. Tensors that transformers ignores without a warning, such
    as buffers of older versions, are ignored here, too.
    """
    where = places(model, tensors)
    found = {place.name for place in where.values()}
    report = SimpleNamespace(
        missing_keys={
            name for name in model.state_dict() if name not in found | _tied(model, found)
        },
        unexpected_keys=tensors.keys() - where.keys(),
    )
    model._adjust_missing_and_unexpected_keys(report)
    check_names(model, report.missing_keys, report.unexpected_keys, folder)
    check_shapes(_wrong_shapes(model.state_dict(), where, tensors), folder)


def _tied(model: Any, found: set[str]) -> set[str]:
    """Names of the model's tensors that share their data with one of the ``found`` tensors."""
    same: dict[int, set[str]] = {}
    for name, tensor in model.state_dict(keep_vars=True).items():
        same.setdefault(id(tensor), set()).add(name)
    groups = list(same.values())
    groups += [{name, source} for name, source in _tied_names(model).items()]
    return {name for group in groups if group & found for name in group}


def _tied_names(model: Any) -> dict[str, str]:
    """Maps the name of each tied tensor to the name of the tensor whose data it uses."""
    return dict(getattr(model, "all_tied_weights_keys", None) or {})


def _wrong_shapes(
    wanted: "Mapping[str, Tensor]", where: Mapping[str, Place], tensors: Mapping[str, StoredTensor]
) -> list[str]:
    """Names of stored tensors whose shape differs from that in the model.

    Tensors that transformers converts when it loads them are not checked: their shape may change.
    """
    return [
        name
        for name, place in where.items()
        if not place.is_converted and tensors[name].shape != tuple(wanted[place.name].shape)
    ]


def check_names(
    model: "nn.Module", missing: Iterable[str], unexpected: Iterable[str], folder: Path
) -> None:
    """Raise UserError for ``missing`` tensors that the model needs, and for ``unexpected`` ones.

    The tensors of an encoder's pooler may be missing. Tensors of a head may be present.
    """
    unread = {id(p) for layer in not_read(model) for p in layer.parameters()}
    optional = {name for name, p in model.named_parameters() if id(p) in unread}
    if lacking := sorted(set(missing) - optional):
        raise UserError(
            f"{folder} lacks {_named(lacking)}, which the model needs: fetch or save it again"
        )
    others = set(unexpected)
    if others and (strange := sorted(others - of_the_head(folder, others))):
        raise UserError(
            f"{folder} holds {_named(strange)}, which the model has no place for: config.json "
            "describes a different model from the stored one"
        )


def check_shapes(wrong: Iterable[str], folder: Path) -> None:
    """Raise UserError if ``wrong``, the names of tensors of a wrong shape, is not empty."""
    if listed := sorted(wrong):
        raise UserError(f"{folder}: the shape of {_named(listed)} is not that of the model")


def of_the_head(folder: Path, names: set[str]) -> set[str]:
    """Those of the ``names`` that the class in the configuration has, such as tensors of a head.

    Returns an empty set if transformers does not know the class or cannot create the model.
    """
    import torch
    import transformers

    config = plain_config(folder)
    found: set[str] = set()
    for name in getattr(config, "architectures", None) or []:
        kind: Any = getattr(transformers, str(name), None)
        if not inspect.isclass(kind) or not issubclass(kind, transformers.PreTrainedModel):
            continue
        make: Any = kind
        try:
            with torch.device("meta"):
                known = set(make(config).state_dict())
        except Exception:  # noqa: S112 (transformers cannot create this model)
            continue
        prefix = getattr(kind, "base_model_prefix", "")
        found |= {each for each in names if each in known or f"{prefix}.{each}" in known}
    return found


def _named(names: Iterable[str]) -> str:
    """The first name, and how many more there are, for a message."""
    first, *others = names
    return f"{first[:200]}" + (f" and {len(others)} more" if others else "")
