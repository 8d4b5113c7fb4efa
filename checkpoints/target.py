"""The folder to which a quantized checkpoint is written, in Hugging Face layout.

``halfbyte.json`` is written first. By this file, a later run sees that it may write to the folder.
``config.json`` is written last, since without it no tool takes the folder for a model. So a run
that is killed leaves nothing that looks like a complete model.
"""

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from halfbyte.base import JsonObject, UserError, write_atomically
from halfbyte.checkpoints.checkpoint import CONFIG, INDEX, Checkpoint
from halfbyte.checkpoints.packed import DESCRIPTION, Settings
from halfbyte.checkpoints.records import CheckpointDescription
from halfbyte.checkpoints.tensor_file import TensorFile

__all__ = ["TargetFolder"]

# Files that are copied with the weights, by the ends of their names (configurations, tokenizer,
# code) or by the beginnings (licences).
_COMPANIONS = (".json", ".txt", ".model", ".jinja", ".tiktoken", ".py")
_LEGAL = ("LICENSE", "LICENCE", "NOTICE", "USE_POLICY")
# Entries of halfbyte.json in which a run may differ from the earlier run that it continues.
_FREE = {"versions"}


def _write_json(path: Path, content: Any) -> None:
    write_atomically(path, json.dumps(content, indent=2, ensure_ascii=False) + "\n")


def _is_companion(path: Path) -> bool:
    """Whether a file is copied as it is from the model's folder."""
    if path.name in (CONFIG, DESCRIPTION) or path.name.endswith(".index.json"):
        return False
    is_wanted = path.suffix in _COMPANIONS or path.name.upper().startswith(_LEGAL)
    return is_wanted and path.is_file()


class TargetFolder:
    """The folder to which the quantized form of ``source`` is written.

    Parameters
    ----------
    path : Path
        A folder that is new, empty, or from an earlier run. Nothing else is ever overwritten.
    source : Checkpoint
        The model that is quantized. Its files with weights, the shards, keep their names.

    Raises
    ------
    UserError
        ``path`` is a file, the folder of the source, or a folder with other files.
    """

    def __init__(self, path: Path, source: Checkpoint) -> None:
        if path.exists() and not path.is_dir():
            raise UserError(f"{path} is a file; give a folder to write to")
        if path.is_dir() and path.samefile(source.path):
            raise UserError(f"{path} is the model itself; give another folder to write to")
        if path.is_dir() and any(path.iterdir()) and not (path / DESCRIPTION).is_file():
            raise UserError(
                f"{path} holds files that do not belong to a quantized checkpoint; give an empty "
                "folder"
            )
        self.path = path
        self.source = source

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Within this context, the folder exists and is locked.

        Raises UserError if another run has locked it.
        """
        self.path.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(self.path, os.O_RDONLY)
        try:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise UserError(f"Another run is writing to {self.path}; wait for it") from None
            yield
        finally:
            os.close(descriptor)

    def begin(self, description: CheckpointDescription) -> None:
        """Write ``halfbyte.json``, and remove files of an earlier run that are no longer valid.

        These are the configuration, the index, partial files, and shards whose names the source
        does not have. Raises UserError if the folder holds another model, or this model quantized
        in another way.
        """
        content = description.as_json()
        self._check_same(content)
        _write_json(self.path / DESCRIPTION, content)
        names = {shard.path.name for shard in self.source.shards}
        strange = [path for path in self.path.glob("*.safetensors") if path.name not in names]
        partial = self.path.glob(".*.safetensors.*partial")
        for path in [*strange, *partial, self.path / CONFIG, self.path / INDEX]:
            path.unlink(missing_ok=True)

    def _check_same(self, description: JsonObject) -> None:
        """Raise UserError if ``halfbyte.json`` exists and describes another model or settings."""
        path = self.path / DESCRIPTION
        if not path.is_file():
            return
        try:
            before = json.loads(path.read_text(encoding="utf-8"))
            is_same = all(before[key] == description[key] for key in description.keys() - _FREE)
        except (OSError, ValueError, KeyError, TypeError):
            is_same = False
        if not is_same:
            raise UserError(
                f"{self.path} holds another model, or this one in another form: give another "
                f"folder, or remove {self.path}"
            )

    def finish(self, settings: Settings) -> None:
        """Write the index, copy the tokenizer and other files, and write the configuration."""
        if (self.source.path / INDEX).is_file():
            self._write_index()
        for path in filter(_is_companion, sorted(self.source.path.iterdir())):
            write_atomically(self.path / path.name, path.read_bytes())
        config = {k: v for k, v in self.source.config.items() if k != "quantization_config"}
        if not settings.dequantize:  # with this entry, tools see that the weights are quantized
            plan = self.source.plan
            config["quantization_config"] = settings.storage.config(
                plan, settings.format, settings.operand
            )
        _write_json(self.path / CONFIG, config)

    def _write_index(self) -> None:
        """Write the index: which tensor is in which shard."""
        shards = [TensorFile.open(self.path / shard.path.name) for shard in self.source.shards]
        tensors = [tensor for shard in shards for tensor in shard.tensors.values()]
        index = {
            "metadata": {"total_size": sum(tensor.bytes for tensor in tensors)},
            "weight_map": {tensor.name: tensor.file.name for tensor in tensors},
        }
        _write_json(self.path / INDEX, index)
