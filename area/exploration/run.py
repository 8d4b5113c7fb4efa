"""Compute the records of a space's designs in local processes or on a Dask cluster.

A trial is one design of the space, with everything that its record depends on. The record is stored
under the trial's key, a hash of everything that the record depends on. A run skips the trials whose
records are stored. So a run can be stopped and continued, and several runs can share the work of a
space. A worker is a process that computes tasks. A task consists of a few trials.
"""

import os
import time
import warnings
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from joblib import Parallel, delayed, parallel_config
from joblib.externals.loky import get_reusable_executor

from halfbyte.area.exploration.cluster import cluster_workers
from halfbyte.area.exploration.space import Space
from halfbyte.area.exploration.store import ResultStore
from halfbyte.area.exploration.trials import AnyTrial, ExploredRecord, MacTrial
from halfbyte.area.exploration.worker import Outcome, compute
from halfbyte.area.search.dot_records import DotRecord
from halfbyte.area.search.records import SynthesisRecord
from halfbyte.base import JsonObject, Progress, RecordError, ToolError, UserError, unheard

__all__ = ["Exploration", "Failure", "explore"]

# A task with this many designs takes a few seconds. That is long compared with the time to send it,
# and short enough that little is lost if a worker dies.
DESIGNS_PER_TASK = 8
# Tasks have fewer designs if there would otherwise be fewer tasks than this, so that every worker
# gets some.
LEAST_TASKS = 32
# A design fails if its worker dies more often than this.
MAX_DEATHS = 2
# If workers fail more often than this without any result in between, the run ends, since the
# designs are then probably not the cause.
MAX_FAILURES_IN_A_ROW = 6
# Time between two checks for results of other runs.
_OTHERS_POLL_SECONDS = 1.0


@dataclass(frozen=True)
class Failure:
    """A design without a record, and the reason."""

    label: str
    reason: str


@dataclass(frozen=True)
class Exploration:
    """The results of a run.

    Parameters
    ----------
    trials : list of MacTrial or DotTrial
        The space's designs. If several have the same key, only the first is in the list.
    records : list of SynthesisRecord or DotRecord
        The records in the order of ``trials``; trials without a record are left out.
    failures : list of Failure
        The trials without a record, with the reasons.
    computed : int
        How many of the records this run computed. The other records were in the store or came from
        other runs.
    seconds : float
        Time that this run took, in s.
    """

    trials: list[AnyTrial]
    records: list[ExploredRecord]
    failures: list[Failure]
    computed: int
    seconds: float

    def trial_of(self, record: SynthesisRecord) -> MacTrial:
        """The trial to which a MAC's record belongs; raises LookupError if no trial fits it."""

        def named(trial: MacTrial) -> tuple[object, ...]:
            design = trial.design
            return (
                *(design.weight.name, design.activation.name, design.architecture, design.terms),
                *(trial.recipe.name, trial.technology.name, trial.clock_ps),
            )

        wanted = (
            *(record.format, record.activation, record.architecture, record.terms),
            *(record.recipe, record.technology, record.clock_ps),
        )
        for trial in self.trials:
            if isinstance(trial, MacTrial) and named(trial) == wanted:
                return trial
        raise LookupError(f"No trial of the run has the record's fields: {wanted}")


def explore(
    space: Space,
    store: ResultStore,
    *,
    jobs: int | None = None,
    scheduler: str | None = None,
    on_progress: Progress = unheard,
) -> Exploration:
    """Compute the records of ``space`` that the store lacks; returns all records of the space.

    Parameters
    ----------
    space : Space
        The designs to synthesize.
    store : ResultStore
        The store in which records are looked up, and to which they are added after each task. A run
        that is killed loses only the tasks that its workers were running.
    jobs : int, optional
        Number of local processes; by default one for each core. A run on a cluster uses all workers
        of the cluster.
    scheduler : str, optional
        Address of a Dask scheduler, ``tcp://host:port``. Its workers need the same version of
        halfbyte.
    on_progress : callable, optional
        Called with ``(done, total, label)``. In the first call, ``done`` is the number of records
        that the store already has.

    Raises
    ------
    UserError
        Dask is not installed, ``scheduler`` is not an address, no scheduler answers there, the
        scheduler has no workers, or the store holds a damaged record.
    ToolError
        Workers keep failing, or a cluster lost its scheduler or its last worker. Finished records
        stay in the store.
    """
    start = time.monotonic()
    trials = {trial.key(): trial for trial in reversed(list(space.trials()))}
    trials = dict(reversed(trials.items()))  # of several trials with the same key, keeps the first
    run = _Run(trials, store, on_progress)
    with _workers(jobs, scheduler) as workers:
        run.work(workers)
    known = store.get(trials)
    return Exploration(
        trials=list(trials.values()),
        records=[_read(known[key], trials[key], store) for key in trials if key in known],
        failures=[Failure(trials[key].label, reason) for key, reason in run.failed.items()],
        computed=run.computed,
        seconds=time.monotonic() - start,
    )


def _read(data: JsonObject, trial: AnyTrial, store: ResultStore) -> ExploredRecord:
    """A stored record, with names and terms of the trial; raises UserError if it is damaged."""
    try:
        if isinstance(trial, MacTrial):
            return trial.named(SynthesisRecord.from_json(data))
        # Units for different numbers of terms may be equal and share a record.
        record = trial.named(DotRecord.from_json(data))
        return replace(record, terms=trial.design.fields["terms"])
    except RecordError as error:
        raise UserError(
            f"{store.path} holds a damaged record ({error}): name another store with --store, or "
            "move this file away"
        ) from error


# A function that runs tasks, locally or on a cluster, and yields their outcomes as they come.
_Workers = Callable[[Iterator[Any]], Iterator[list[Outcome]]]


@contextmanager
def _workers(jobs: int | None, scheduler: str | None) -> Iterator[_Workers]:
    """Provide a function that runs tasks, on the cluster if there is a scheduler."""
    if scheduler is not None:
        with cluster_workers(scheduler) as run_on_cluster:
            yield run_on_cluster
        return

    def run(tasks: Iterator[Any]) -> Iterator[list[Outcome]]:
        count = jobs or os.cpu_count() or 1
        with parallel_config("loky", n_jobs=count):
            yield from Parallel(return_as="generator_unordered", batch_size=1)(tasks)

    try:
        yield run
    finally:
        get_reusable_executor().shutdown(wait=True, kill_workers=True)


@dataclass
class _Run:
    """One run over a space. Trials are referred to by their keys."""

    trials: dict[str, AnyTrial]
    store: ResultStore
    on_progress: Progress
    failed: dict[str, str] = field(default_factory=dict)
    computed: int = 0
    _done: int = 0
    _deaths: Counter[str] = field(default_factory=Counter)
    _failures_in_a_row: int = 0

    def work(self, workers: _Workers) -> None:
        """Compute every missing record, or note in ``failed`` why that is not possible."""
        known = self.store.get(self.trials)
        self._done = len(known)
        self.on_progress(self._done, len(self.trials), "")
        missing = [key for key in self.trials if key not in known]
        # Other runs are computing the trials in ``elsewhere``. Wait for their records. If one of
        # these runs ends before it has computed its trials, compute them here.
        elsewhere = self._round(workers, _portions(missing))
        while elsewhere:
            known = self.store.get(elsewhere)
            free = self.store.claim([key for key in elsewhere if key not in known])
            self._step(len(known), "by another run")
            elsewhere = [key for key in elsewhere if key not in known and key not in free]
            elsewhere += self._round(workers, _portions(sorted(free)))
            if elsewhere:
                time.sleep(_OTHERS_POLL_SECONDS)

    def _round(self, workers: _Workers, tasks: list[list[str]]) -> list[str]:
        """Run ``tasks``; returns the keys of the trials that other runs have claimed or finished.

        If a worker dies, any of the designs that were sent to workers may be the cause. So each of
        these runs again in a task of its own. A design fails if its worker dies too often.
        """
        elsewhere: list[str] = []
        queue = deque([tasks] if tasks else [])
        while queue:
            waiting = deque(queue.popleft())
            at_work: set[str] = set()
            try:
                self._finish(workers, waiting, at_work, elsewhere)
                continue
            except ToolError:
                raise
            except Exception as error:  # libraries raise many kinds of errors if a process dies
                reason = f"{type(error).__name__}: {error}".splitlines()[0]
            self._count_failure(reason)
            if waiting:
                queue.append(list(waiting))
            for key in sorted(at_work):
                self._deaths[key] += 1
                if self._deaths[key] > MAX_DEATHS:
                    self._fail(key, f"its worker died {self._deaths[key]} times ({reason})")
                else:
                    queue.append([[key]])
        return elsewhere

    def _finish(
        self,
        workers: _Workers,
        waiting: deque[list[str]],
        at_work: set[str],
        elsewhere: list[str],
    ) -> None:
        """Run tasks until ``waiting`` is empty, and keep their outcomes.

        ``elsewhere`` gets the keys that other runs have claimed or finished. After an exception,
        ``at_work`` holds the keys of the trials that were sent to workers and are not finished.
        """

        def tasks() -> Iterator[Any]:
            while waiting:
                keys = waiting.popleft()
                mine = self.store.claim(keys)
                elsewhere.extend(key for key in keys if key not in mine)
                chosen = [(key, self.trials[key]) for key in keys if key in mine]
                if chosen:
                    at_work.update(mine)
                    yield delayed(compute)(chosen, os.getpid())

        with warnings.catch_warnings():
            # joblib gives this warning when a run is interrupted or a worker dies.
            warnings.filterwarnings("ignore", message=".*tasks which were still being processed")
            for outcomes in workers(tasks()):
                self._keep(outcomes)
                at_work.difference_update(outcome.key for outcome in outcomes)

    def _keep(self, outcomes: Sequence[Outcome]) -> None:
        """Store the records of a task, and note its failures."""
        found = {each.key: each.record.as_json() for each in outcomes if each.record is not None}
        self.store.add(found)
        for each in outcomes:
            if each.error is not None:
                self._fail(each.key, each.error)
        self.computed += len(found)
        self._failures_in_a_row = 0
        self._step(len(found), self.trials[outcomes[-1].key].label)

    def _fail(self, key: str, reason: str) -> None:
        """Note that a trial has failed, and give up this run's claim on it."""
        self.failed[key] = reason
        self.store.release([key])
        self._step(1, "failed")

    def _step(self, count: int, label: str) -> None:
        """Report that ``count`` more trials are finished."""
        self._done += count
        self.on_progress(self._done, len(self.trials), label)

    def _count_failure(self, reason: str) -> None:
        """Count a failure of a worker; raises ToolError if there are too many in a row."""
        self._failures_in_a_row += 1
        if self._failures_in_a_row > MAX_FAILURES_IN_A_ROW:
            raise ToolError(
                f"The workers failed {self._failures_in_a_row} times in a row, the last time with "
                f"{reason}; {self._done} of {len(self.trials)} designs are finished, and the "
                "next run continues from there"
            )


def _portions(keys: Sequence[str]) -> list[list[str]]:
    """The keys, divided into lists; each list is a task."""
    size = min(DESIGNS_PER_TASK, max(1, len(keys) // LEAST_TASKS))
    return [list(keys[start : start + size]) for start in range(0, len(keys), size)]
