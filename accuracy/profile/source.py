"""Where the weights to profile come from: a model with its texts, or a bare safetensors file."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from halfbyte.accuracy.models.loading import open_model
from halfbyte.accuracy.models.subject import Subject
from halfbyte.base import UserError
from halfbyte.checkpoints.tensor_file import FLOATING, StoredTensor, TensorFile

__all__ = ["Source", "open_source"]

# Parts of tensor names that mean tables of vectors, looked up and never multiplied, or the output
# head, which the recipes leave as it is.
_TABLES = ("embed", "wte", "wpe", "relative_attention_bias", "lm_head")


@dataclass(frozen=True)
class Source:
    """What is profiled.

    Parameters
    ----------
    name : str
        As it stands in records.
    weights : mapping of str to function
        Layer name to a function that reads its weight, (outputs, inputs) floating point.
    left_out : tuple of str
        Tensors of a bare file that have two dimensions or more but are no layer's weight.
    subject : Subject or None
        The model to run for activations; a bare file has none.
    """

    name: str
    weights: Mapping[str, Callable[[], Tensor]]
    left_out: tuple[str, ...] = ()
    subject: Subject | None = None


def open_source(reference: str) -> Source:
    """The weights of ``reference``: whatever ``open_model`` takes, or a ``.safetensors`` file.

    A bare file knows no layers: its floating tensors ``*.weight`` of two dimensions or more are
    read as Linear and convolution store them, (outputs, inputs, kernel...).

    Raises
    ------
    UserError
        No such model, a corrupt file, or a file without weights.
    """
    if reference.endswith(".safetensors"):
        return _from_file(Path(reference).expanduser())
    subject = open_model(reference)
    weights = {name: matrix.read for name, matrix in subject.matrices().items()}
    if not weights:
        raise UserError(f"{subject.name} has no layer whose weights can be quantized")
    return Source(subject.name, weights, subject=subject)


def _from_file(path: Path) -> Source:
    try:
        tensors = TensorFile.open(path).tensors
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}") from error
    matrices = {
        name: tensor
        for name, tensor in sorted(tensors.items())
        if len(tensor.shape) >= 2 and tensor.dtype in FLOATING and tensor.elements
    }
    weights = {
        name.removesuffix(".weight"): _reader(tensor)
        for name, tensor in matrices.items()
        if name.endswith(".weight") and not any(word in name.lower() for word in _TABLES)
    }
    if not weights:
        raise UserError(
            f"{path} has no weights to profile: floating tensors named *.weight with two "
            "dimensions or more, embeddings and output heads left out"
        )
    left_out = tuple(name for name in matrices if name.removesuffix(".weight") not in weights)
    return Source(path.stem, weights, left_out)


def _reader(tensor: StoredTensor) -> Callable[[], Tensor]:
    def read() -> Tensor:
        return tensor.read().movedim(1, -1).flatten(0, -2)

    return read
