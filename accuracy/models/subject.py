"""``Subject``, the base class of models that are evaluated."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from halfbyte.accuracy.statistics import Statistic
from halfbyte.base import UserError
from halfbyte.checkpoints.packed import StoredFormat
from halfbyte.golden.layers import Survey, WeightMatrix, survey

__all__ = ["Measure", "Outputs", "Subject"]

Outputs = Mapping[str, Tensor]
"""The tensors that one run on the evaluation text gives, by name."""


@dataclass(frozen=True)
class Measure:
    """A measure: its name in records, its title and unit, and whether more of it is better."""

    name: str
    title: str
    unit: str
    higher_is_better: bool


class Subject(ABC):
    """A model with the texts on which it is evaluated.

    Parameters
    ----------
    name : str
        The name in records.
    module : nn.Module
        The model. It is converted to FP32 and put into evaluation mode, in place.
    left_out : sequence of nn.Module
        Layers that are ignored because no measure depends on them.

    Attributes
    ----------
    stored : StoredFormat or None
        The format of the stored weights, if they were quantized already.
    stored_bits : int
        Bits that the files store for a weight that is not quantized.
    """

    measures: tuple[Measure, ...]
    """The first measure ranks formats."""
    items: str
    """What the bootstrap draws, such as ``texts`` or ``windows of 256 bytes``."""

    def __init__(self, name: str, module: nn.Module, left_out: Sequence[nn.Module] = ()) -> None:
        self.name = name
        self.module = module.float().eval()
        self.stored: StoredFormat | None = None
        self.stored_bits = 32
        self._left_out = tuple(left_out)
        _watch_tokens(name, module)

    def survey(self) -> Survey:
        """The parameters that are quantized, and those that are not."""
        return survey(self.module, self._left_out)

    def matrices(self) -> dict[str, WeightMatrix]:
        """The weights that are quantized, by layer name."""
        return self.survey().matrices

    @torch.inference_mode()
    def calibrate(self) -> None:
        """Run the model on the calibration text, which differs from the evaluation text."""
        self._run_calibration()

    @torch.inference_mode()
    def observe(self) -> Outputs:
        """Run the model on the evaluation text; returns what the measures need."""
        return self._run_evaluation()

    @abstractmethod
    def statistics(self, outputs: Outputs, reference: Outputs) -> dict[str, Statistic]:
        """The statistic of each measure of ``outputs``, by the measure's name.

        ``reference`` has the outputs of the unquantized model.
        """

    @abstractmethod
    def _run_calibration(self) -> None: ...

    @abstractmethod
    def _run_evaluation(self) -> Outputs: ...


def _watch_tokens(name: str, module: nn.Module) -> None:
    """Check token ids before each lookup: PyTorch would only say "index out of range"."""
    table = getattr(module, "get_input_embeddings", lambda: None)()
    if not isinstance(table, nn.Embedding):
        return

    def check(layer: nn.Module, args: tuple[object, ...]) -> None:
        if args and isinstance(args[0], Tensor) and args[0].numel():
            largest = int(args[0].max())
            if largest >= table.num_embeddings:
                raise UserError(
                    f"{name}: the tokenizer gives token id {largest}, but the model has only "
                    f"{table.num_embeddings} embeddings: tokenizer and model do not belong together"
                )

    table.register_forward_pre_hook(check)
