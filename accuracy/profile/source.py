"""The source of the weights to profile: a model with its texts, or a single safetensors file."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from halfbyte.accuracy.models.loading import open_model
from halfbyte.accuracy.models.subject import Subject
from halfbyte.base import UserError
from halfbyte.checkpoints.checkpoint import Checkpoint
from halfbyte.checkpoints.plan import StoredWeight
from halfbyte.golden.layers import to_matrix

__all__ = ["Source", "open_source"]


@dataclass(frozen=True)
class Source:
    """The tensors that are profiled.

    Parameters
    ----------
    name : str
        The name in records.
    weights : mapping of str to function
        Layer name to a function that reads its weight, (outputs, inputs) floating point.
    left_out : tuple of str
        Tensors of a single file that have two dimensions or more but are not weights of layers.
    subject : Subject or None
        The model to run for activations; None for a single file.
    """

    name: str
    weights: Mapping[str, Callable[[], Tensor]]
    left_out: tuple[str, ...] = ()
    subject: Subject | None = None


def open_source(reference: str) -> Source:
    """Open the weights of a model, or of a single file with a name that ends in ``.safetensors``.

    A model is a built-in name, a folder, or a name on the Hugging Face hub, as for ``open_model``.
    A single file does not list its layers. So the tensors' names decide which tensors are weights,
    as in :mod:`halfbyte.checkpoints.plan`. Their dimensions are taken as (outputs, inputs,
    kernel...).

    Raises
    ------
    UserError
        The model does not exist, or the file is damaged or has no weights.
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
        plan = Checkpoint(path).plan
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}") from error
    weights = {weight.name.removesuffix(".weight"): _reader(weight) for weight in plan.weights}
    if not weights:
        raise UserError(
            f"{path} has no weights to profile: floating tensors named *.weight with two "
            "dimensions or more, without embeddings and output heads"
        )
    return Source(path.stem, dict(sorted(weights.items())), tuple(sorted(plan.kept)))


def _reader(weight: StoredWeight) -> Callable[[], Tensor]:
    """A function that reads the weight from the file as (outputs, inputs)."""

    def read() -> Tensor:
        return to_matrix(weight.tensor.read(), weight.layout)

    return read
