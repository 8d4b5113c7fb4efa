"""Run jobs in parallel. A job is not run again if the record store has its complete result."""

import sys
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from typing import Any, Protocol, TypeVar

from halfbyte.base import Progress, Record, RecordError, RecordStore, ToolError, build_dir
from halfbyte.base.yosys import interrupt_yosys

__all__ = ["Job", "JobRunner"]

_Result = TypeVar("_Result", bound=Record)


class Job(Protocol[_Result]):
    """A computation with a result that is stored, so that it runs only once."""

    @property
    def result_type(self) -> type[_Result]:
        """The type of the result."""

    @property
    def key(self) -> str:
        """A hash of all that the result depends on."""

    @property
    def label(self) -> str:
        """A text for the progress line."""

    @property
    def cost(self) -> float:
        """Roughly how long the job takes; only the order of the costs matters."""

    def run(self) -> _Result:
        """Compute the result. Raises ToolError if a tool fails."""

    def is_complete(self, result: _Result) -> bool:
        """Whether a stored result can be used: False if its files are missing or have changed."""
        return True


class JobRunner:
    """Runs jobs in threads, ``processes`` at a time, and stores their results.

    Parameters
    ----------
    store : str
        Name of the record store under ``build/records``.
    processes : int
        Number of jobs at a time.
    on_progress : callable, optional
        Called with ``(done, total, label)``.

    Attributes
    ----------
    failures : dict of str to (Job, ToolError)
        Failed jobs and their errors, by the jobs' keys.
    """

    def __init__(self, store: str, processes: int, on_progress: Progress | None) -> None:
        self.store = RecordStore(build_dir() / "records" / f"{store}.jsonl")
        # Threads are enough: Yosys runs in other processes, and annealing releases Python's lock.
        self.pool = ThreadPoolExecutor(processes)
        self.on_progress = on_progress
        self.done = self.total = 0
        self.failures: dict[str, tuple[Job[Any], ToolError]] = {}

    def run(self, jobs: Sequence[Job[_Result]]) -> list[_Result]:
        """Results in the order of ``jobs``; raises the ToolError of the first job that failed."""
        results = self.attempt(jobs)
        for job in jobs:
            if job.key not in results:
                raise self.failures[job.key][1]
        return [results[job.key] for job in jobs]

    def attempt(self, jobs: Sequence[Job[_Result]]) -> dict[str, _Result]:
        """Results by key; a job whose tool fails is added to ``failures`` instead."""
        self.total += len(jobs)
        results: dict[str, _Result] = {}
        waiting: dict[Future[_Result], Job[_Result]] = {}
        # The longest jobs start first, so that no core sits idle while a long one finishes.
        for job in sorted(jobs, key=lambda job: job.cost, reverse=True):
            known = self._known(job)
            if known is None:
                waiting[self.pool.submit(job.run)] = job
            else:
                results[job.key] = known
                self._step(job.label)
        for future in as_completed(waiting):
            job = waiting[future]
            try:
                results[job.key] = future.result()
            except ToolError as error:
                self.failures[job.key] = job, error
            else:
                self.store.append(job.key, results[job.key].as_json())
            self._step(job.label)
        return results

    def end(self) -> None:
        """Start no more jobs, and wait for running jobs, or stop them after an interruption."""
        interrupted = isinstance(sys.exc_info()[1], KeyboardInterrupt)
        self.pool.shutdown(wait=not interrupted, cancel_futures=True)
        if interrupted:
            interrupt_yosys()

    def _known(self, job: Job[_Result]) -> _Result | None:
        """The stored result, if it is complete and of the right type."""
        data = self.store.get(job.key)
        if data is None:
            return None
        try:
            result = job.result_type.from_json(data)
        except RecordError:
            return None
        return result if job.is_complete(result) else None

    def _step(self, label: str) -> None:
        self.done += 1
        if self.on_progress:
            self.on_progress(self.done, self.total, label)
