"""Open a checkpoint in Hugging Face layout: read its configuration, and list its tensors.

The folder has ``config.json`` and either ``model.safetensors``, or ``model.safetensors.index.json``
with several files, the shards. A single safetensors file is a checkpoint without a configuration.
Opening a checkpoint reads no data of its tensors.
"""

from functools import cached_property
from pathlib import Path

from halfbyte.base import UserError
from halfbyte.checkpoints.architecture import read_config
from halfbyte.checkpoints.index import INDEX, check_shards, read_index
from halfbyte.checkpoints.plan import Plan, StoredWeight, plan_of
from halfbyte.checkpoints.tensor_file import StoredTensor, TensorFile

__all__ = ["CONFIG", "INDEX", "Checkpoint"]

CONFIG = "config.json"
SINGLE = "model.safetensors"

# In these models, layers with the names in _CONV1D_LAYERS are of the class ``Conv1D`` of
# transformers, which stores its weight as (inputs, outputs). Other linear layers store (outputs,
# inputs).
_CONV1D_MODELS = ("gpt2", "openai-gpt", "imagegpt", "decision_transformer", "clvp", "clvp_decoder")
_CONV1D_LAYERS = ("c_attn", "q_attn", "c_proj", "c_fc")


class Checkpoint:
    """The tensors of a model on disk. Only the headers of the files are read.

    Parameters
    ----------
    path : Path
        A directory in Hugging Face layout, or one safetensors file.

    Attributes
    ----------
    path : Path
        The directory or file.
    config : dict
        The content of ``config.json``; empty for a single file.
    shards : tuple of TensorFile
        The safetensors files, in the order of their names.
    tensors : dict
        The tensors of all shards, by name.

    Raises
    ------
    UserError
        A file is missing or damaged, the index names a file outside of the directory, or a tensor
        is in two shards or not in the shard that the index names.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        if path.is_file():
            self.config: dict[str, object] = {}
            self.shards: tuple[TensorFile, ...] = (TensorFile.open(path),)
        elif path.is_dir():
            self.config = read_config(path / CONFIG)
            self.shards = self._open_shards()
        elif path.suffix == ".safetensors":
            reason = "it is not a file" if path.exists() else "No such file"
            raise UserError(f"{path} cannot be read: {reason}")
        else:
            raise UserError(f"{path} is not a model directory: it does not exist")
        self.tensors: dict[str, StoredTensor] = {}
        for shard in self.shards:
            if twice := self.tensors.keys() & shard.tensors.keys():
                raise UserError(f"Tensor {min(twice)} is in {shard.path} and in another shard too")
            self.tensors |= shard.tensors

    def _open_shards(self) -> tuple[TensorFile, ...]:
        """The single file, or the shards of the index. Raises UserError if one is missing."""
        if (self.path / SINGLE).is_file():  # transformers also prefers this file to an index
            return (TensorFile.open(self.path / SINGLE),)
        if not (self.path / INDEX).exists():
            files = sorted(self.path.glob("*.safetensors"))
            check_shards(files)
            if files:
                raise UserError(
                    f"{self.path} has {files[0].name} but no {INDEX}, which names the shards; "
                    "fetch it, too"
                )
            raise UserError(
                f"{self.path} has neither {SINGLE} nor {INDEX}; pickled weights are not read "
                "because they can run code: convert them with transformers' save_pretrained"
            )
        places = read_index(self.path)
        shards = {path: TensorFile.open(path) for path in sorted(set(places.values()))}
        for tensor, path in places.items():
            if tensor not in shards[path].tensors:
                raise UserError(
                    f"Tensor {tensor[:200]} is not in {path.name}, where {INDEX} places it; the "
                    "files are not from the same checkpoint"
                )
        return tuple(shards.values())

    @cached_property
    def plan(self) -> Plan:
        """Which tensors are quantized, and why the others are not (:mod:`.plan`)."""
        return plan_of(self.path, self.config, self.tensors)

    @property
    def weights(self) -> tuple[StoredWeight, ...]:
        """The tensors that are quantized, in the order of the shards."""
        return self.plan.weights

    def is_transposed(self, name: str) -> bool:
        """Whether a weight is stored as (inputs, outputs), as in the ``Conv1D`` layers of GPT-2."""
        layer = name.split(".")[-2:-1]
        model = self.config.get("model_type")
        return model in _CONV1D_MODELS and bool(layer) and layer[0] in _CONV1D_LAYERS
