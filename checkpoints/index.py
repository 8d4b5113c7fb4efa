"""Find the file of each tensor in a checkpoint of several files (*shards*), and missing files."""

import re
from collections.abc import Iterable
from pathlib import Path

from halfbyte.base import UserError
from halfbyte.checkpoints.architecture import read_config

__all__ = ["INDEX", "check_shards", "read_index"]

INDEX = "model.safetensors.index.json"

# A name such as model-00001-of-00003.safetensors. The groups are its stem, its number, the rest of
# the name, and the count of shards.
_SHARD = re.compile(r"(.+)-(\d+)(-of-(\d+)(?:\.\w+)?\.safetensors)")


def read_index(folder: Path) -> dict[str, Path]:
    """Read the index of a folder: the name of each tensor, and the path of its shard.

    Raises UserError if the index cannot be read, or if it names a file that is missing or not in
    the folder.
    """
    index = folder / INDEX
    places = read_config(index).get("weight_map")
    if not isinstance(places, dict) or not places:
        raise UserError(f"{index} must hold a weight_map from tensors to shards")
    for name in sorted({_checked(index, each) for each in places.values()}):
        if not (folder / name).is_file():
            raise UserError(f"{folder / name} is missing, but {INDEX} names it; fetch it again")
    return {str(tensor): folder / name for tensor, name in places.items()}


def _checked(index: Path, name: object) -> str:
    """The name of a shard, unchanged.

    Raises UserError if it leads out of the folder, or does not end in ``.safetensors``.
    """
    if not isinstance(name, str) or name != Path(name).name or "\\" in name or "\0" in name:
        raise UserError(f"{index} must name shards beside it, not {name!r:.100}")
    if not name.endswith(".safetensors"):
        raise UserError(f"{index} must name *.safetensors files, not {name!r:.100}")
    return name


def check_shards(paths: Iterable[Path]) -> None:
    """Check that no shard is missing, by names such as ``model-00001-of-00003.safetensors``.

    The numbers begin at 1 or 0. Shards with an index are not checked, since the index may
    list fewer shards than the names state.
    Raises UserError, which names the first shard that is missing.
    """
    sets: dict[tuple[Path, str, str, int], dict[int, Path]] = {}
    for path in paths:
        if found := _SHARD.fullmatch(path.name):
            stem, number, rest, count = found.groups()
            sets.setdefault((path.parent, stem, rest, int(count)), {})[int(number)] = path
    for (folder, stem, rest, count), shards in sets.items():
        if (folder / f"{stem}.safetensors.index.json").is_file():
            continue
        first = 0 if 0 in shards else 1
        missing = next((k for k in range(first, first + count) if k not in shards), None)
        if missing is not None:
            one = min(shards.values()).name
            width = len(one) - len(stem) - 1 - len(rest)
            raise UserError(
                f"{folder / f'{stem}-{missing:0{width}}{rest}'} is missing, but {one} is one of "
                f"{count} files; fetch the folder again"
            )
