"""What an evaluation needs of a model, whatever its kind."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from halfbyte.accuracy.layers import WeightMatrix, weight_matrices
from halfbyte.accuracy.statistics import Statistic

__all__ = ["Measure", "Outputs", "Subject"]

Outputs = Mapping[str, Tensor]


@dataclass(frozen=True)
class Measure:
    """A figure of merit: its name in records, its title and unit, and which way is better."""

    name: str
    title: str
    unit: str
    higher_is_better: bool


class Subject(ABC):
    """A model with the texts on which it is judged.

    Parameters
    ----------
    name : str
        As it stands in records.
    module : nn.Module
        In FP32, for inference.
    left_out : sequence of nn.Module
        Layers that stay as they are: output heads, and what outputs do not depend on.
    """

    measures: tuple[Measure, ...]
    """The first is the one that plots and recommendations use."""
    items: str
    """What the bootstrap draws: ``texts``, ``windows of 256 bytes``."""

    def __init__(self, name: str, module: nn.Module, left_out: Sequence[nn.Module] = ()) -> None:
        self.name = name
        self.module = module.float().eval()
        self._left_out = {layer for each in left_out for layer in each.modules()}

    def matrices(self) -> dict[str, WeightMatrix]:
        """The weights that are quantized, by layer name."""
        return {
            name: matrix
            for name, matrix in weight_matrices(self.module).items()
            if matrix.layer not in self._left_out
        }

    @torch.inference_mode()
    def calibrate(self) -> None:
        """Run the model on real text that is not the evaluation's."""
        self._run_calibration()

    @torch.inference_mode()
    def observe(self) -> Outputs:
        """What the model gives on the evaluation text, reduced to what the measures need."""
        return self._run_evaluation()

    @abstractmethod
    def statistics(self, outputs: Outputs, reference: Outputs) -> dict[str, Statistic]:
        """The measures of ``outputs`` by name, given those of the unquantized model."""

    @abstractmethod
    def _run_calibration(self) -> None: ...

    @abstractmethod
    def _run_evaluation(self) -> Outputs: ...
