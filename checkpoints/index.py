"""The index of a checkpoint in several files: which tensor is in which shard."""

from pathlib import Path

from halfbyte.base import UserError
from halfbyte.checkpoints.architecture import read_config

__all__ = ["INDEX", "read_index"]

INDEX = "model.safetensors.index.json"


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
