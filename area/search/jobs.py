"""Jobs on several processes, each looked up in the record store first."""

import sys
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from typing import Any, Protocol, TypeVar

from halfbyte.base import RecordStore, ToolError, build_dir
from halfbyte.base.yosys import interrupt_yosys

__all__ = ["Job", "JobRunner", "Progress"]

Progress = Callable[[int, int, str], None]


class Job(Protocol):
    """Something to be computed once: ``key`` says what the result depends on."""

    @property
    def key(self) -> str: ...
    @property
    def label(self) -> str: ...
    @property
    def cost(self) -> float: ...
    def run(self) -> dict[str, Any]: ...
    def is_complete(self, result: Mapping[str, Any]) -> bool: ...


_J = TypeVar("_J", bound=Job)


class JobRunner:
    """Runs jobs that wait for tools, so many at a time, and keeps their results.

    Parameters
    ----------
    store : str
        Name of the record store under ``build/records``.
    processes : int
        Jobs at a time.
    on_progress : callable, optional
        Called with ``(done, total, label)``.

    Attributes
    ----------
    failures : dict of str to (Job, ToolError)
        What failed, by the jobs' keys.
    """

    def __init__(self, store: str, processes: int, on_progress: Progress | None) -> None:
        self.store = RecordStore(build_dir() / "records" / f"{store}.jsonl")
        self.pool = ThreadPoolExecutor(processes)  # each thread waits for a Yosys process
        self.on_progress = on_progress
        self.done = self.total = 0
        self.failures: dict[str, tuple[Job, ToolError]] = {}

    def run(self, jobs: Sequence[Job]) -> list[dict[str, Any]]:
        """Results in the order of ``jobs``; the first failure is raised."""
        results = self._results(jobs)
        for job in jobs:
            if job.key not in results:
                raise self.failures[job.key][1]
        return [results[job.key] for job in jobs]

    def attempt(self, jobs: Sequence[_J]) -> list[tuple[_J, dict[str, Any]]]:
        """Jobs with their results, in order, without those whose tool failed."""
        results = self._results(jobs)
        return [(job, results[job.key]) for job in jobs if job.key in results]

    def _results(self, jobs: Sequence[Job]) -> dict[str, dict[str, Any]]:
        """Results by key; a job whose tool fails is among the failures instead."""
        self.total += len(jobs)
        results: dict[str, dict[str, Any]] = {}
        waiting: dict[Future[dict[str, Any]], Job] = {}
        # The longest first, so that no core is idle while one ends last.
        for job in sorted(jobs, key=lambda job: job.cost, reverse=True):
            known = self.store.get(job.key)
            if known is None or not job.is_complete(known):
                waiting[self.pool.submit(job.run)] = job
            else:
                results[job.key] = known
                self._step(job)
        for future in as_completed(waiting):
            job = waiting[future]
            try:
                results[job.key] = future.result()
            except ToolError as error:
                self.failures[job.key] = job, error
            else:
                self.store.append(job.key, results[job.key])
            self._step(job)
        return results

    def end(self) -> None:
        """Start nothing more, and wait for what runs; an interruption does not wait, but ends it."""
        interrupted = isinstance(sys.exc_info()[1], KeyboardInterrupt)
        self.pool.shutdown(wait=not interrupted, cancel_futures=True)
        if interrupted:
            interrupt_yosys()

    def _step(self, job: Job) -> None:
        self.done += 1
        if self.on_progress:
            self.on_progress(self.done, self.total, job.label)
