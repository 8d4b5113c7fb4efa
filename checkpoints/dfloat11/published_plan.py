"""Decide which weights the published layout compresses together, and read and write its patterns.

The published layout is that of the ``dfloat11`` package. A *module* is a transformer block, whose
linear layers are compressed together into one stream, or a single embedding or linear layer.
``pattern_dict`` in the configuration maps regular expressions to lists. An expression matches names
of modules; its list has the paths of the layers inside such a module. An empty list stands for the
module's own weight.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from halfbyte.base import UserError
from halfbyte.checkpoints.checkpoint import Checkpoint
from halfbyte.checkpoints.tensor_file import StoredTensor

__all__ = ["ModulePlan", "attributes_of", "block_weights", "patterns", "plan_modules"]

PatternDict = Mapping[str, Sequence[str]]

_WEIGHT = ".weight"
# Patterns come from other people's files. If a pattern repeats a group, matching may take
# exponential time, so such patterns are refused.
_REPEATED_GROUP = re.compile(r"\)[*+?{]")
_MAX_PATTERN = 20_000  # letters in a pattern
_MAX_PATTERNS = 10_000


@dataclass(frozen=True)
class ModulePlan:
    """A module, the weights of which are compressed together.

    Parameters
    ----------
    name : str
        Name of the module, such as ``model.layers.3`` or ``lm_head``.
    attributes : tuple of str
        Paths of the layers in the module, such as ``self_attn.q_proj``; empty for a single layer.
    """

    name: str
    attributes: tuple[str, ...]

    @property
    def weights(self) -> tuple[str, ...]:
        """Names of the module's weights, in the order in which they are in the stream."""
        if not self.attributes:
            return (self.name + _WEIGHT,)
        return tuple(f"{self.name}.{path}{_WEIGHT}" for path in self.attributes)


def _split(name: str) -> tuple[str, str]:
    """Split a layer's name into the name of its numbered block and the path in the block.

    A layer outside of blocks gives its own name and an empty path.
    """
    parts = name.split(".")
    for place, part in enumerate(parts[:-1]):
        if part.isdecimal():
            return ".".join(parts[: place + 1]), ".".join(parts[place + 1 :])
    return name, ""


def _is_lookup(name: str) -> bool:
    """Whether a layer is an embedding, by its name."""
    return any(word in name.lower() for word in ("embed", "wte", "wpe", "shared"))


def _fits(tensor: StoredTensor, checkpoint: Checkpoint) -> bool:
    """Whether the package can compress this tensor and load it again.

    It can do so for weights in BF16 of linear layers, and of embeddings outside of blocks.
    """
    is_matrix = len(tensor.shape) == 2 and tensor.elements > 0 and tensor.name.endswith(_WEIGHT)
    if not is_matrix or tensor.dtype != "BF16" or checkpoint.is_transposed(tensor.name):
        return False
    _, path = _split(tensor.name.removesuffix(_WEIGHT))
    return not (path and (_is_lookup(path) or "norm" in path.lower()))


def plan_modules(checkpoint: Checkpoint) -> list[ModulePlan]:
    """The modules of a checkpoint that can be compressed, in the order of its tensors."""
    found: dict[str, list[str]] = {}
    for name, tensor in checkpoint.tensors.items():
        if _fits(tensor, checkpoint):
            module, path = _split(name.removesuffix(_WEIGHT))
            found.setdefault(module, []).extend([path] if path else [])
    # The paths are sorted, because the order of tensors in a file may differ from block to block.
    return [ModulePlan(name, tuple(sorted(paths))) for name, paths in found.items()]


def patterns(modules: Sequence[ModulePlan]) -> dict[str, list[str]]:
    """The ``pattern_dict`` that matches these modules, and no block that is not compressed."""
    groups: dict[tuple[str, tuple[str, ...]], list[str]] = {}
    for module in modules:
        owner, _, index = module.name.rpartition(".")
        is_block = bool(module.attributes) and index.isdecimal()
        key = (owner if is_block else module.name, module.attributes)
        groups.setdefault(key, []).append(index if is_block else "")
    result = {}
    for (owner, attributes), indices in groups.items():
        pattern = re.escape(owner)
        if attributes:
            same_owner = [key for key in groups if key[0] == owner and key[1]]
            counted = {str(index) for index in range(len(indices))}
            is_whole = len(same_owner) == 1 and set(indices) == counted
            number = r"\d+" if is_whole else f"(?:{'|'.join(indices)})"
            pattern = rf"{pattern}\.{number}" if owner else number
        result[pattern] = list(attributes)
    return result


def _compiled(pattern_dict: object) -> list[tuple[re.Pattern[str], tuple[str, ...]]]:
    """The patterns and paths of a ``pattern_dict``.

    Raises UserError if it does not map texts to lists, or has a pattern that may take too long.
    """
    if not isinstance(pattern_dict, dict):
        raise UserError("dfloat11_config has no pattern_dict that maps names to lists")
    if len(pattern_dict) > _MAX_PATTERNS:
        raise UserError(
            f"pattern_dict has {len(pattern_dict)} patterns; {_MAX_PATTERNS} is the limit"
        )
    found = []
    for text, paths in pattern_dict.items():
        if not isinstance(paths, list) or not all(isinstance(path, str) for path in paths):
            raise UserError(f"pattern_dict must map {text[:100]!r} to a list of names")
        try:
            if len(text) > _MAX_PATTERN:
                raise re.error(f"it has more than {_MAX_PATTERN} letters")
            if _REPEATED_GROUP.search(text):
                raise re.error("it repeats a group")
            found.append((re.compile(text), tuple(paths)))
        except re.error as error:
            raise UserError(f"pattern_dict has a pattern that is refused: {error}") from None
    return found


def block_weights(names: Iterable[str], pattern_dict: object) -> list[str]:
    """Those of the ``names`` that are weights of compressed blocks, as ``pattern_dict`` says.

    Raises UserError for invalid patterns.
    """
    compiled = _compiled(pattern_dict)
    return [
        name
        for name in names
        if any(
            name.endswith(end := f".{path}{_WEIGHT}") and pattern.fullmatch(name.removesuffix(end))
            for pattern, paths in compiled
            for path in paths
        )
    ]


def attributes_of(names: Sequence[str], pattern_dict: object) -> list[ModulePlan]:
    """The modules with these ``names``, with the layers that a ``pattern_dict`` says they contain.

    Raises UserError for invalid patterns, and for a module that no pattern matches.
    """
    compiled = _compiled(pattern_dict)
    plans = []
    for name in names:
        paths = next((paths for pattern, paths in compiled if pattern.fullmatch(name)), None)
        if paths is None:
            raise UserError(f"pattern_dict does not describe the compressed module {name[:200]!r}")
        plans.append(ModulePlan(name, paths))
    return plans
