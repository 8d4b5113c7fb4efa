"""Decide which tensors of a checkpoint are quantized.

The model is created from its configuration, without data, and
:func:`halfbyte.golden.layers.survey` finds the weights to quantize. The stored tensors that
transformers would load into these weights are quantized, unless loading rearranges their blocks.
Without a configuration that transformers knows, the names of the stored tensors decide.

In a mixture of experts, *experts* are layers of the same shape; a token uses only some of them.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from halfbyte.base import UserError
from halfbyte.checkpoints.architecture import (
    Place,
    architectures,
    check_not_quantized,
    kind_of,
    not_read,
    places,
    skeleton,
)
from halfbyte.checkpoints.completeness import check_complete
from halfbyte.checkpoints.foreign import check_no_codes
from halfbyte.checkpoints.tensor_file import FLOATING, StoredTensor
from halfbyte.golden.layers import Layout, WeightMatrix, survey

__all__ = ["Plan", "StoredWeight", "plan_of"]

# If only names decide, a tensor is not quantized if a part of its name, between two dots, is one of
# these parts or contains one of these words. It is then an embedding, an output layer or a norm.
_KEPT_PARTS = ("wte", "wpe", "lm_head", "shared", "relative_attention_bias")
_KEPT_WORDS = ("embed", "norm")
_ELSEWHERE = "not in the model that is evaluated"
_EXPERT = re.compile(r"\.experts?\.(\d+)\.")


@dataclass(frozen=True)
class StoredWeight:
    """A stored tensor that is quantized. It holds one matrix, or a matrix for each expert.

    Parameters
    ----------
    tensor : StoredTensor
        The tensor in its file.
    layout : Layout
        The order of the dimensions of each matrix.
    experts : int or None
        The size of the first dimension if the tensor holds a matrix for each expert, else None.
    groups : int
        Groups of a convolution; 1 for other layers.
    family : str
        A name that tensors share if the model joins them into one matrix. Such tensors share the
        clipping ratio of the layer, and the scale of the whole tensor if there is one.
    kind : str
        The class name of the layer in the model; empty if only names decided.
    """

    tensor: StoredTensor
    layout: Layout = Layout.ROWS
    experts: int | None = None
    groups: int = 1
    family: str = ""
    kind: str = ""

    @property
    def name(self) -> str:
        """The tensor's name."""
        return self.tensor.name

    @property
    def matrix_shape(self) -> tuple[int, int]:
        """The shape (outputs, inputs) of each matrix."""
        shape = self.tensor.shape if self.experts is None else self.tensor.shape[1:]
        first, second, *kernel = shape
        positions = 1
        for size in kernel:
            positions *= size
        if self.layout is Layout.COLUMNS:
            return second, first
        if self.layout is Layout.TRANSPOSED_CONVOLUTION:
            return self.groups * second * positions, first // self.groups
        return first * positions, second


@dataclass(frozen=True)
class Plan:
    """The tensors of a checkpoint that are quantized, and those that are not.

    Parameters
    ----------
    weights : tuple of StoredWeight
        The tensors that are quantized, in the order of the checkpoint's files.
    kept : dict of str to str
        Every other floating-point tensor of two or more dimensions that has elements, with the
        reason why it is copied.
    told_by : str
        ``model`` if the model's layers decided, ``names`` if only the names of tensors did.
    flaw : str or None
        A message that says how the stored tensors differ from those of the model. None if they do
        not differ, or if there is no model to compare with.
    """

    weights: tuple[StoredWeight, ...] = ()
    kept: dict[str, str] = field(default_factory=dict)
    told_by: Literal["model", "names"] = "model"
    flaw: str | None = None


def plan_of(path: Path, config: Mapping[str, object], tensors: Mapping[str, StoredTensor]) -> Plan:
    """The plan for the ``tensors`` of a checkpoint; ``config`` is empty for a single file.

    Raises UserError if there is a configuration and the weights are quantized already.
    """
    if config:
        check_not_quantized(config, path)
        check_no_codes(tensors, path)
        if config.get("architectures") or config.get("model_type"):
            try:
                model = skeleton(path, _kind(config, path))
            except UserError:  # transformers does not know this model
                return _by_names(tensors)
            plan = _by_model(model, tensors)
            if plan.weights or any(why != _ELSEWHERE for why in plan.kept.values()):
                return replace(plan, flaw=_flaw(model, tensors, path))
    return _by_names(tensors)  # no configuration, or one that describes another model


def _flaw(model: Any, tensors: Mapping[str, StoredTensor], path: Path) -> str | None:
    """How the stored tensors differ from those of the model; None if they do not."""
    try:
        check_complete(model, tensors, path)
    except UserError as error:
        return str(error)
    return None


def _kind(config: Mapping[str, object], path: Path) -> str:
    """``causal`` or ``encoder``; for other models, the class that the configuration names."""
    try:
        return kind_of(config, path)
    except UserError:
        return next(iter(architectures(config)), "")


def _is_matrix(tensor: StoredTensor) -> bool:
    """Whether a tensor has two or more dimensions, some elements, and a floating-point type."""
    return len(tensor.shape) >= 2 and tensor.elements > 0 and tensor.dtype in FLOATING


def _by_model(model: Any, tensors: Mapping[str, StoredTensor]) -> Plan:
    """Make the plan from the layers into which transformers would load the tensors."""
    found = survey(model, not_read(model))
    matrices_of: dict[int, list[WeightMatrix]] = {}
    for matrix in found.matrices.values():
        matrices_of.setdefault(matrix.identity[0], []).append(matrix)
    by_parameter = {
        name: matrices_of[id(parameter)]
        for name, parameter in model.named_parameters(remove_duplicate=False)
        if id(parameter) in matrices_of
    }
    where = places(model, tensors)
    weights, kept = [], {}
    for name, tensor in tensors.items():
        if not _is_matrix(tensor):
            continue
        place = where.get(name)
        matrices = by_parameter.get(place.name) if place else None
        if place is None:
            kept[name] = _ELSEWHERE
        elif matrices is None:
            reason = found.kept.get(place.name)
            kept[name] = reason.value if reason else "not read by any evaluation"
        elif (weight := _stored(tensor, place, matrices)) is None:
            kept[name] = "rearranged along its inputs when it is loaded"
        else:
            weights.append(weight)
    return Plan(tuple(weights), kept)


def _stored(
    tensor: StoredTensor, place: Place, matrices: list[WeightMatrix]
) -> StoredWeight | None:
    """The tensor as a weight; None if it cannot be quantized block by block as it is stored.

    Blocks run along the inputs. If loading joins or splits tensors along the inputs, or rearranges
    them in another way, the blocks in the model would not contain the same elements as the
    blocks in the file.
    """
    first = matrices[0]
    kind = type(first.layer).__name__
    dimensions = len(tensor.shape)
    is_stack = first.expert is not None
    inputs_axis = (1 if is_stack else 0) + (first.layout is not Layout.COLUMNS)
    if first.layout is Layout.TRANSPOSED_CONVOLUTION:
        inputs_axis = 0
    if inputs_axis in place.axes:
        return None
    layout = first.layout
    if place.is_turned and layout in (Layout.ROWS, Layout.COLUMNS):
        layout = Layout.COLUMNS if layout is Layout.ROWS else Layout.ROWS
    elif place.is_turned:
        return None
    if not is_stack:
        if dimensions != first.tensor.ndim:
            return None
        return StoredWeight(tensor, layout, None, first.groups, place.name, kind)
    if dimensions == 3:
        return StoredWeight(tensor, layout, tensor.shape[0], 1, place.name, kind)
    number = _EXPERT.search(tensor.name)
    if dimensions != 2 or number is None:
        return None
    return StoredWeight(tensor, layout, None, 1, f"{place.name}.{number[1]}", kind)


def _by_names(tensors: Mapping[str, StoredTensor]) -> Plan:
    """Make the plan from the names of the tensors alone."""
    weights, kept = [], {}
    for name, tensor in tensors.items():
        if not _is_matrix(tensor):
            continue
        parts = name.lower().split(".")
        if parts[-1] != "weight":
            kept[name] = "not named *.weight"
        elif any(part in _KEPT_PARTS or any(w in part for w in _KEPT_WORDS) for part in parts):
            kept[name] = "embedding, head or norm by its name"
        else:
            layout = Layout.ROWS if len(tensor.shape) == 2 else Layout.CONVOLUTION
            weights.append(StoredWeight(tensor, layout, family=name))
    return Plan(tuple(weights), kept, "names")
