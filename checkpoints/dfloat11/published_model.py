"""Open a folder or file in the layout of the ``dfloat11`` package, the *published layout*.

A compressed *module* is a transformer block, or a single linear layer or embedding. It is stored in
six tensors, its *parts*: the coded exponents of all its weights, their other bits, a table of the
code, and three tensors of positions. One of these, the split positions, says where one weight ends
and the next begins. The functions here find the parts and check that they agree.
"""

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
from halfbyte.checkpoints.dfloat11.published_plan import (
    ModulePlan,
    attributes_of,
    block_weights,
)
from halfbyte.checkpoints.index import check_shards
from halfbyte.checkpoints.tensor_file import StoredTensor, TensorFile
from halfbyte.golden.dfloat11 import CorruptError, published

__all__ = [
    "CONFIG_KEY",
    "PARTS",
    "SHAPES_KEY",
    "SPLITS",
    "PublishedModel",
    "is_published",
]

CONFIG_KEY = "dfloat11_config"  # the entry of config.json that describes the compression
SHAPES_KEY = "halfbyte.shapes"  # the entry of a file's metadata with the shapes of the weights
# Names of the parts, after the module's name and a dot; SPLITS is the sixth.
PARTS = ("luts", "encoded_exponent", "sign_mantissa", "output_positions", "gaps")
SPLITS = "split_positions"
_MARKS = ("encoded_exponent", "sign_mantissa")  # parts that show that a module is compressed
# Types that a part may have; parts that are not listed are U8.
_TYPES = {"output_positions": ("U8", "I32", "U32"), "split_positions": ("I64", "I32")}


def is_published(path: Path) -> bool:
    """Whether a file or folder is in the published layout."""
    if path.is_dir():
        return any(is_published(file) for file in sorted(path.glob(f"*{PLAIN}")))
    return path.is_file() and any(name.endswith(_MARKS) for name in TensorFile.open(path).tensors)


def _read(tensors: Mapping[str, StoredTensor], plan: ModulePlan) -> published.Module:
    """Read a module. Raises CorruptError if a part is missing or has a wrong type.

    A module with a single weight may lack split positions, since the package does not read them.
    """
    found = {part: tensors.get(f"{plan.name}.{part}") for part in (*PARTS, SPLITS)}
    if found[SPLITS] is None and len(plan.weights) == 1:
        del found[SPLITS]
    arrays = {}
    for part, tensor in found.items():
        types = _TYPES.get(part, ("U8",))
        if tensor is None:
            raise CorruptError(f"Module {plan.name}: {part} is missing")
        if tensor.dtype not in types:
            wanted = " or ".join(types)
            raise CorruptError(f"Module {plan.name}: {part} must be {wanted}, not {tensor.dtype}")
        arrays[part] = tensor.read_bytes().numpy()
    if arrays["output_positions"].size % 4:
        raise CorruptError(
            f"Module {plan.name}: output_positions must have a multiple of 4 bytes, not "
            f"{arrays['output_positions'].size}"
        )
    luts, splits = found["luts"], found.get(SPLITS)
    assert luts is not None  # noqa: S101 (the loop has checked it)
    return published.Module(
        arrays["luts"].reshape(luts.shape),
        arrays["encoded_exponent"],
        arrays["sign_mantissa"],
        arrays["output_positions"].view("<u4"),
        arrays["gaps"],
        tuple(splits.read().flatten().tolist()) if splits is not None else (),
    )


def _home(source: Path) -> Path:
    """The folder ``source`` itself, or the folder of the file ``source``."""
    return source if source.is_dir() else source.parent


def _paths(folder: Path) -> list[Path]:
    """The safetensors files of a folder. Raises UserError if one of a numbered set is missing."""
    paths = sorted(folder.glob(f"*{PLAIN}"))
    check_shards(paths)
    return paths


def _read_config(folder: Path) -> dict[str, object]:
    """The content of a folder's ``config.json``; empty if there is none or it cannot be read."""
    try:
        found = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _files(
    source: Path, original: Path | None
) -> tuple[dict[str, StoredTensor], dict[str, str], Any]:
    """All tensors of a folder or file, the metadata of the files, and the configuration.

    The folder ``original`` supplies entries that the configuration lacks. Raises UserError if the
    configuration does not describe the compression.
    """
    paths = _paths(source) if source.is_dir() else [source]
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
    """Shapes of a model's weights: from its uncompressed files, if any, else from its architecture.

    If the files lack one of the ``wanted`` names, the architecture is used, too.
    """
    from halfbyte.checkpoints.dfloat11.architecture import empty_model

    shapes: dict[str, tuple[int, ...]] = {}
    if not is_published(folder):
        for path in _paths(folder):
            shapes |= {name: each.shape for name, each in TensorFile.open(path).tensors.items()}
    if not shapes.keys() >= set(wanted):  # files store weights that share data under one name only
        shapes |= {n: tuple(t.shape) for n, t in empty_model(folder).state_dict().items()}
    return shapes


def _all_shapes(
    source: Path, original: Path | None, metadata: Mapping[str, str], plans: Sequence[ModulePlan]
) -> dict[str, tuple[int, ...]]:
    """Shapes of weights: from the metadata, else the original's files, else its architecture.

    Raises UserError if the shape of a compressed weight is not found.
    """
    wanted = [name for plan in plans for name in plan.weights]
    try:
        found = {n: tuple(shape) for n, shape in json.loads(metadata[SHAPES_KEY]).items()}
    except (KeyError, ValueError, TypeError, AttributeError, RecursionError):
        try:
            found = _stated_shapes(original or _home(source), wanted)
        except UserError as error:
            raise UserError(
                f"{source} states neither shapes nor architecture: give the folder of the original "
                f"model's configuration (--config); {error}"
            ) from None
    for name in wanted:
        shape = found.get(name, ())
        if len(shape) != 2 or not all(type(size) is int and size > 0 for size in shape):
            raise UserError(f"{source} does not say which shape {name} has")
    return found


def _check_blocks(source: Path, stated: Sequence[str], present: set[str]) -> None:
    """Raise UserError if a weight of a compressed block, one of ``stated``, is not ``present``."""
    missing = sorted(set(stated) - present)
    if missing:
        raise UserError(
            f"{source} lacks {missing[0][:200]} of a compressed block; fetch all its files again"
        )


def _check_sizes(
    tensors: Mapping[str, StoredTensor],
    plans: Sequence[ModulePlan],
    shapes: Mapping[str, tuple[int, ...]],
    others: set[str],
) -> None:
    """Raise CorruptError if a weight is stored twice, or a module has a wrong number of elements.

    ``others`` are the names of the tensors that are not compressed.
    """
    names = [name for plan in plans for name in plan.weights]
    if len(set(names)) != len(names):
        raise CorruptError("a weight is in two modules")
    if others & set(names):
        raise CorruptError(f"{min(others & set(names))} is stored twice: compressed and as it is")
    for plan in plans:
        stored = tensors.get(f"{plan.name}.sign_mantissa")
        wanted = sum(math.prod(shapes[name]) for name in plan.weights)
        if stored is None or stored.elements != wanted:
            count = "no" if stored is None else stored.elements
            raise CorruptError(
                f"Module {plan.name} must have {wanted} elements, as its weights have, not {count}"
            )


@dataclass(frozen=True)
class PublishedModel:
    """A folder or file in the published layout, whose parts were found and agree.

    Parameters
    ----------
    tensors : dict
        All stored tensors, by name.
    others : dict
        The tensors that are not compressed, by name.
    plans : list of ModulePlan
        The compressed modules, with the names of their weights.
    shapes : dict
        Shapes of the compressed weights, by name.
    config : dict
        The configuration, without its entry ``dfloat11_config``.
    """

    tensors: dict[str, StoredTensor]
    others: dict[str, StoredTensor]
    plans: list[ModulePlan]
    shapes: dict[str, tuple[int, ...]]
    config: JsonObject

    @classmethod
    def open(cls, source: Path, original: Path | None = None) -> "PublishedModel":
        """Read headers and configurations, but no data.

        Parameters
        ----------
        source : Path
            A folder, or a file in a folder with the configuration.
        original : Path, optional
            A folder with the original's configuration or weights. It supplies shapes and entries of
            the configuration that ``source`` lacks.

        Raises
        ------
        UserError
            A file or a block is missing, or the configuration does not say what was compressed.
        CorruptError
            Parts contradict each other.
        """
        tensors, metadata, config = _files(source, original)
        marked = (name.rpartition(".") for name in tensors)
        modules = list(dict.fromkeys(name for name, _, part in marked if part in _MARKS))
        pattern_dict = config.pop(CONFIG_KEY).get("pattern_dict")
        plans = attributes_of(modules, pattern_dict)
        stated = _all_shapes(source, original, metadata, plans)
        parts = {f"{name}.{part}" for name in modules for part in (*PARTS, SPLITS)}
        others = {name: tensor for name, tensor in tensors.items() if name not in parts}
        planned = [name for plan in plans for name in plan.weights]
        shapes = {name: stated[name] for name in planned}
        _check_sizes(tensors, plans, shapes, set(others))
        _check_blocks(source, block_weights(stated, pattern_dict), {*planned, *others})
        return cls(tensors, others, plans, shapes, config)

    def weights_of(self, plan: ModulePlan) -> Iterator[tuple[str, Tensor]]:
        """Decode a module: the name of each weight, and its values, (elements,) BF16.

        Raises CorruptError if the module is damaged.
        """
        try:
            weights = published.decode(_read(self.tensors, plan))
        except CorruptError as error:
            raise CorruptError(f"Module {plan.name} is damaged: {error}") from None
        wanted = [math.prod(self.shapes[name]) for name in plan.weights]
        if [weight.numel() for weight in weights] != wanted:
            raise CorruptError(f"Module {plan.name}: its split positions do not fit its weights")
        yield from zip(plan.weights, weights, strict=True)
