"""Evaluate models on zero-shot tasks of lm-eval, EleutherAI's evaluation harness.

The tasks need an optional package: ``pip install "halfbyte[tasks]"``. A task must give ``acc`` or
``exact_match`` for each document, so that the bootstrap can draw documents.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from halfbyte.accuracy.models.causal import CALIBRATION_WINDOWS
from halfbyte.accuracy.models.subject import Measure, Outputs, Subject
from halfbyte.accuracy.statistics import RatioOfSums, Statistic
from halfbyte.base import UserError

__all__ = ["TaskSubject"]

_METRICS = ("acc", "exact_match")
_SEED = 1234
_BATCH = 16


class TaskSubject(Subject):
    """A causal model that is evaluated on tasks of lm-eval. Each task is a measure.

    Parameters
    ----------
    name : str
        The name in records.
    module : PreTrainedModel
        A causal language model.
    tokenizer : PreTrainedTokenizerBase
        Its tokenizer.
    tasks : sequence of str
        Names of tasks. The first one ranks the formats.
    folder : Path, optional
        A folder with more tasks, as YAML files of lm-eval.
    limit : int, optional
        The largest number of documents per task.
    calibration : Tensor
        (N, length) int64: windows of text.

    Raises
    ------
    UserError
        lm-eval is not installed, or a task is unknown or cannot be loaded.
    """

    items = "documents"

    def __init__(
        self,
        name: str,
        module: PreTrainedModel,
        tokenizer: PreTrainedTokenizerBase,
        tasks: Sequence[str],
        calibration: Tensor,
        *,
        folder: Path | None = None,
        limit: int | None = None,
    ) -> None:
        super().__init__(name, module)
        try:
            from lm_eval.models.huggingface import HFLM
            from lm_eval.tasks import TaskManager
        except ImportError as error:
            raise UserError(
                f'Zero-shot tasks need lm-eval: pip install "halfbyte[tasks]" ({error})'
            ) from error
        self._harness = HFLM(pretrained=module, tokenizer=tokenizer, batch_size=_BATCH)
        self._manager = TaskManager(include_path=str(folder) if folder else None)
        unknown = [task for task in tasks if task not in self._manager.all_tasks]
        if unknown:
            raise UserError(f"lm-eval knows no task {unknown[0][:100]!r}")
        self._limit = limit
        self._calibration = calibration[:CALIBRATION_WINDOWS]
        self.measures = tuple(
            Measure(task, f"{task} accuracy", "share", higher_is_better=True)
            for task in self._members(tasks)
        )

    def _members(self, tasks: Sequence[str]) -> list[str]:
        """The tasks, with groups and tags replaced by their members; each once.

        Raises UserError if a task cannot be loaded.
        """
        from lm_eval.tasks import get_task_dict

        try:
            found = get_task_dict(list(tasks), self._manager)
        except Exception as error:  # many kinds, such as errors of data sets or of the network
            names = ", ".join(tasks)[:100]
            raise UserError(f"The tasks {names} cannot be loaded: {error}") from error
        return list(dict.fromkeys(_leaves(found)))

    def statistics(self, outputs: Outputs, reference: Outputs) -> dict[str, Statistic]:
        """Accuracy of each task over its documents."""
        return {
            measure.name: RatioOfSums(outputs[measure.name], torch.ones_like(outputs[measure.name]))
            for measure in self.measures
        }

    def _run_calibration(self) -> None:
        self.module(input_ids=self._calibration)

    def _run_evaluation(self) -> Outputs:
        import lm_eval

        found = lm_eval.simple_evaluate(
            model=self._harness,
            tasks=[measure.name for measure in self.measures],
            task_manager=self._manager,
            limit=self._limit,
            log_samples=True,
            bootstrap_iters=0,
            random_seed=_SEED,
            verbosity="ERROR",
        )
        self._name_filters(found["samples"])
        return {
            measure.name: _hits(measure.name, found["samples"].get(measure.name, []))
            for measure in self.measures
        }

    def _name_filters(self, samples: Mapping[str, Sequence[Mapping[str, Any]]]) -> None:
        """Add the first filter's name to the titles of tasks with several filters.

        A filter of lm-eval is a way of reading the model's answer.
        """
        self.measures = tuple(
            replace(measure, title=f"{measure.name} accuracy ({filters[0]})")
            if len(filters := _filters(samples.get(measure.name, []))) > 1
            else measure
            for measure in self.measures
        )


def _leaves(found: Mapping[Any, Any]) -> Iterator[str]:
    """Names of the tasks in lm-eval's nested dictionary, whose groups hold dictionaries."""
    for name, item in found.items():
        if isinstance(item, Mapping):
            yield from _leaves(item)
        else:
            yield str(name)


def _filters(samples: Sequence[Mapping[str, Any]]) -> list[str]:
    """The names of a task's filters, in the order of the samples; ``none`` for no filter."""
    return list(dict.fromkeys(str(sample.get("filter", "none")) for sample in samples))


def _hits(task: str, samples: Sequence[Mapping[str, Any]]) -> Tensor:
    """Each document's value of the first metric that the task has; (documents,) float64.

    lm-eval lists every document once for each filter. Only the task's first filter counts here.
    """
    first = _filters(samples)[:1]
    chosen = [sample for sample in samples if [str(sample.get("filter", "none"))] == first]
    for metric in _METRICS:
        if chosen and metric in chosen[0]:
            ordered = sorted(chosen, key=lambda sample: int(sample["doc_id"]))
            return torch.tensor([float(sample[metric]) for sample in ordered], dtype=torch.float64)
    raise UserError(f"Task {task} has none of the metrics {', '.join(_METRICS)}")
