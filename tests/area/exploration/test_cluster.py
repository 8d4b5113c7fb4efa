"""Explorations on a Dask cluster that works, that loses its workers, or that does not exist.

An exploration computes many designs (trials) of a *space* and stores a record of each.
"""

import os
import signal
import socket
import sys
from dataclasses import replace
from functools import partial

import pytest
from cloudpickle import register_pickle_by_value
from distributed import LocalCluster

import halfbyte.area.exploration.run as module
from halfbyte.area.exploration import MacTrial, ResultStore, explore, parse_space
from halfbyte.area.exploration.cluster import cluster_workers
from halfbyte.base import ToolError, UserError

SPACE = parse_space(
    "name: small\n"
    "families: [supernormal: {base: e2m1, from: 2, to: 5, step: 1/2}]\n"
    "architectures: [sign_magnitude]\n"
)
register_pickle_by_value(sys.modules[__name__])


class Elsewhere(MacTrial):
    """A trial whose record has the computing process's ID in the field ``operands``."""

    def compute(self):
        return replace(super().compute(), operands=str(os.getpid()))


class SpaceElsewhere:
    """A space with the trials of ``SPACE``, as objects of the class :class:`Elsewhere`."""

    @staticmethod
    def trials():
        return [Elsewhere(*vars(trial).values()) for trial in SPACE.trials()]


@pytest.fixture
def store(tmp_path):
    store = ResultStore(tmp_path / "explore.sqlite")
    yield store
    store.close()


@pytest.fixture
def cluster():
    """A cluster of one worker with one thread.

    On such a cluster, joblib alone would run all tasks in the calling process.
    """
    with LocalCluster(
        n_workers=1, threads_per_worker=1, dashboard_address="127.0.0.1:0", silence_logs=50
    ) as cluster:
        yield cluster


def worker_pids(cluster):
    return {worker.pid for worker in cluster.workers.values()}


@pytest.mark.yosys
@pytest.mark.slow
def test_a_cluster_of_one_thread_works_and_survives_the_death_of_its_worker(cluster, store):
    first = worker_pids(cluster)
    killed = []

    def kill_once(done, total, label):
        if done and not killed:
            killed.extend(first)
            os.kill(killed[0], signal.SIGKILL)  # Dask then starts another worker

    found = explore(
        SpaceElsewhere(), store, scheduler=cluster.scheduler_address, on_progress=kill_once
    )
    assert killed
    assert not found.failures
    assert len(found.records) == len(list(SPACE.trials()))
    processes = {int(record.operands) for record in found.records}
    assert os.getpid() not in processes
    assert processes & first  # records from before the worker's death
    assert processes - first  # records from the worker that replaced it


@pytest.mark.slow
def test_a_cluster_that_loses_its_last_worker_is_reported(cluster, store, monkeypatch):
    monkeypatch.setattr(
        module, "cluster_workers", partial(cluster_workers, empty_seconds=1.0, poll_seconds=0.2)
    )
    with pytest.raises(
        ToolError, match=r"lost its scheduler or its last worker.*next run continues"
    ):
        explore(
            SPACE,
            store,
            scheduler=cluster.scheduler_address,
            on_progress=lambda *_: cluster.scale(0),
        )
    assert store.claim(["anything"]) == {"anything"}  # the store still works


def test_a_cluster_without_workers_is_refused(store):
    with (
        LocalCluster(n_workers=0, dashboard_address="127.0.0.1:0", silence_logs=50) as cluster,
        pytest.raises(UserError, match="has no workers: start some with `dask worker tcp://"),
    ):
        explore(SPACE, store, scheduler=cluster.scheduler_address)


def test_a_missing_scheduler_is_reported_in_one_line(store):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        address = f"tcp://127.0.0.1:{unused.getsockname()[1]}"
        with pytest.raises(UserError, match=f"No Dask scheduler answers at {address}") as caught:
            explore(SPACE, store, scheduler=address)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "address", ["localhost:8786", "tcp://host", "http://host:1", "", "tcp://h:99999"]
)
def test_wrong_addresses_are_refused(store, address):
    with pytest.raises(UserError, match=r"must look like tcp://host:8786|No Dask scheduler"):
        explore(SPACE, store, scheduler=address)
