"""A model in the published layout, opened: what is where, checked against each other."""

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from halfbyte.base import JsonObject, UserError
from halfbyte.checkpoints.checkpoint import CONFIG
from halfbyte.checkpoints.dfloat11.folder import PLAIN
from halfbyte.checkpoints.dfloat11.published_parts import MARKS, PARTS, module_of
from halfbyte.checkpoints.dfloat11.published_plan import ModulePlan, attributes_of
from halfbyte.checkpoints.tensor_file import StoredTensor, TensorFile
from halfbyte.golden.dfloat11 import CorruptError, published

__all__ = ["CONFIG_KEY", "SHAPES_KEY", "PublishedModel", "is_published", "read_published"]

CONFIG_KEY = "dfloat11_config"
SHAPES_KEY = "halfbyte.shapes"


def is_published(path: Path) -> bool:
    """Whether a file or folder is in the published layout."""
    if path.is_dir():
        return any(is_published(file) for file in sorted(path.glob(f"*{PLAIN}")))
    return path.is_file() and any(name.endswith(MARKS) for name in TensorFile.open(path).tensors)


def _home(source: Path) -> Path:
    """The folder of what is read."""
    return source if source.is_dir() else source.parent


def _read_config(folder: Path) -> dict[str, object]:
    """``config.json`` of a folder; empty if there is none, or it cannot be read."""
    try:
        found = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _files(
    source: Path, original: Path | None
) -> tuple[dict[str, StoredTensor], dict[str, str], Any]:
    """Tensors over all files of a folder or of one file, their metadata, and the configuration."""
    paths = sorted(source.glob(f"*{PLAIN}")) if source.is_dir() else [source]
    tensors: dict[str, StoredTensor] = {}
    metadata: dict[str, str] = {}
    for path in paths:
        file = TensorFile.open(path)
        if twice := tensors.keys() & file.tensors.keys():
            raise UserError(f"Tensor {min(twice)} is in {path} and in another file too")
        tensors |= file.tensors
        metadata |= file.metadata
    found = _read_config(_home(source))
    if original is not None:
        found = {**_read_config(original), **found}
    if not isinstance(found.get(CONFIG_KEY), dict):
        raise UserError(
            f"{_home(source) / CONFIG} has no {CONFIG_KEY}: what is compressed is not known; give "
            f"the folder of a {CONFIG} that has it (--config)"
        )
    return tensors, metadata, found


def _stated_shapes(folder: Path, wanted: Sequence[str]) -> dict[str, tuple[int, ...]]:
    """Shapes of a model's weights: from its files, if they are plain, else its architecture."""
    from halfbyte.checkpoints.dfloat11.architecture import empty_model

    shapes: dict[str, tuple[int, ...]] = {}
    if not is_published(folder):
        for path in sorted(folder.glob(f"*{PLAIN}")):
            shapes |= {name: each.shape for name, each in TensorFile.open(path).tensors.items()}
    if not shapes.keys() >= set(wanted):  # tied weights are stored under one of their names
        shapes |= {n: tuple(t.shape) for n, t in empty_model(folder).state_dict().items()}
    return shapes


def _shapes_of(
    source: Path, original: Path | None, metadata: Mapping[str, str], plans: Sequence[ModulePlan]
) -> dict[str, tuple[int, ...]]:
    """Shapes of the weights: from the metadata, else from the original or the architecture."""
    wanted = [name for plan in plans for name in plan.weights]
    try:
        found = {n: tuple(shape) for n, shape in json.loads(metadata[SHAPES_KEY]).items()}
    except (KeyError, ValueError, TypeError, AttributeError, RecursionError):
        try:
            found = _stated_shapes(original or _home(source), wanted)
        except UserError as error:
            raise UserError(
                f"{source} says neither shapes nor architecture: give the folder of the original "
                f"model's configuration (--config); {error}"
            ) from None
    for name in wanted:
        shape = found.get(name, ())
        if len(shape) != 2 or not all(type(size) is int and size > 0 for size in shape):
            raise UserError(f"{source} does not say which shape {name} has")
    return {name: found[name] for name in wanted}


def _check_sizes(
    tensors: Mapping[str, StoredTensor],
    plans: Sequence[ModulePlan],
    shapes: Mapping[str, tuple[int, ...]],
    others: set[str],
) -> None:
    """Whether modules have as many elements as their weights, and no weight is there twice."""
    names = [name for plan in plans for name in plan.weights]
    if len(set(names)) != len(names) or others & set(names):
        raise CorruptError("a weight is in two modules, or stored twice: compressed and as it is")
    for plan in plans:
        stored = tensors.get(f"{plan.name}.sign_mantissa")
        wanted = sum(math.prod(shapes[name]) for name in plan.weights)
        if stored is None or stored.elements != wanted:
            count = "no" if stored is None else stored.elements
            raise CorruptError(f"Module {plan.name} has {count} elements, its weights {wanted}")


@dataclass(frozen=True)
class PublishedModel:
    """A folder in the published layout, opened: what is where, checked against each other.

    Parameters
    ----------
    tensors, others : dict
        All stored tensors; those that are not part of a compressed module.
    plans : list of ModulePlan
    shapes : dict
        Shapes of the compressed weights.
    config : dict
        The configuration, without its entries on the compression.
    """

    tensors: dict[str, StoredTensor]
    others: dict[str, StoredTensor]
    plans: list[ModulePlan]
    shapes: dict[str, tuple[int, ...]]
    config: JsonObject

    @classmethod
    def open(cls, source: Path, original: Path | None = None) -> "PublishedModel":
        """Open a folder or file; ``original`` is a folder of the model's configuration."""
        tensors, metadata, config = _files(source, original)
        marked = (name.rpartition(".") for name in tensors)
        modules = list(dict.fromkeys(name for name, _, part in marked if part in MARKS))
        plans = attributes_of(modules, config.pop(CONFIG_KEY).get("pattern_dict"))
        shapes = _shapes_of(source, original, metadata, plans)
        parts = {f"{name}.{part}" for name in modules for part in PARTS}
        others = {name: tensor for name, tensor in tensors.items() if name not in parts}
        _check_sizes(tensors, plans, shapes, set(others))
        return cls(tensors, others, plans, shapes, config)

    def decode(self, plan: ModulePlan) -> Iterator[tuple[str, Tensor]]:
        """The weights of a module by name, each as one row. CorruptError if it is damaged."""
        try:
            weights = published.decode(module_of(self.tensors, plan))
        except CorruptError as error:
            raise CorruptError(f"Module {plan.name} is damaged: {error}") from None
        sizes = [math.prod(self.shapes[name]) for name in plan.weights]
        if [weight.numel() for weight in weights] != sizes:
            raise CorruptError(f"Module {plan.name} splits at other places than its weights do")
        yield from zip(plan.weights, weights, strict=True)


def read_published(source: Path, *, config: Path | None = None) -> Iterator[tuple[str, Tensor]]:
    """The tensors of a folder in the published layout as they were, by name, a module at a time.

    Takes and raises what :func:`decompress_published` does.
    """
    model = PublishedModel.open(source, config)
    for plan in model.plans:
        for name, weight in model.decode(plan):
            yield name, weight.reshape(model.shapes[name])
    for name, tensor in model.others.items():
        yield name, tensor.read()
