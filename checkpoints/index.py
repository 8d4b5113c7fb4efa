"""A checkpoint in several files, the shards: which tensor is where, and whether all are there."""

import re
from collections.abc import Iterable
from pathlib import Path

from halfbyte.base import UserError
from halfbyte.checkpoints.architecture import read_config

__all__ = ["INDEX", "check_shards", "read_index"]

INDEX = "model.safetensors.index.json"

_SHARD = re.compile(r"(.+)-(\d+)(-of-(\d+)(?:\.\w+)?\.safetensors)")


def read_index(folder: Path) -> dict[str, Path]:
    """The shard of each tensor, as the path of an existing file.

    Raises UserError for an index that cannot be read, names files elsewhere, or names missing ones.
    """
    index = folder / INDEX
    places = read_config(index).get("weight_map")
    if not isinstance(places, dict) or not places:
        raise UserError(f"{index} must hold a weight_map of tensor to shard")
    for name in sorted({_checked(index, each) for each in places.values()}):
        if not (folder / name).is_file():
            raise UserError(f"{folder / name} is missing, but {INDEX} names it; fetch it again")
    return {str(tensor): folder / name for tensor, name in places.items()}


def _checked(index: Path, name: object) -> str:
    """The name, if it is that of a file in the folder: no file elsewhere is opened."""
    if not isinstance(name, str) or name != Path(name).name or "\\" in name or "\0" in name:
        raise UserError(f"{index} must name shards beside it, not {name!r:.100}")
    if not name.endswith(".safetensors"):
        raise UserError(f"{index} must name *.safetensors files, not {name!r:.100}")
    return name


def check_shards(paths: Iterable[Path]) -> None:
    """Check that no shard is missing, by names such as ``model-00001-of-00003.safetensors``.

    Shards that have an index are left to it: it may list fewer. Numbers begin at 1, or at 0. Raises
    UserError that names the first missing one.
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
                f"{count}; fetch the folder again"
            )
