"""Run joblib's tasks on a Dask cluster."""

import logging
import re
import socket
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any

from joblib import Parallel, parallel_config

from halfbyte.base import ToolError, UserError

__all__ = ["cluster_workers"]

_ADDRESS = re.compile(r"(?:tcp|tls)://(?:\[([0-9a-fA-F:]+)\]|([A-Za-z0-9_.-]+)):([0-9]{1,5})")
_CONNECT_SECONDS = 30.0
# If no result arrives for this long, the tasks count as lost. The slowest tasks take a minute or
# two.
_PATIENCE_SECONDS = 900.0
# A run waits this long for new workers if the cluster has lost its last worker.
_EMPTY_SECONDS = 30.0
_POLL_SECONDS = 2.0


@contextmanager
def cluster_workers(
    address: str, empty_seconds: float = _EMPTY_SECONDS, poll_seconds: float = _POLL_SECONDS
) -> Iterator[Any]:
    """Connect to a cluster, and yield a function that runs joblib's delayed calls on it.

    The function yields the results of the calls as they come. Dask itself gives the tasks of a dead
    worker to other workers. The function raises ToolError if the cluster has no workers for
    ``empty_seconds``, or if it has none when an error occurs. If no result arrives for 15 minutes,
    it raises :class:`multiprocessing.TimeoutError`. Any other exception is due to one of the
    running tasks.

    Parameters
    ----------
    address : str
        Address of the scheduler, ``tcp://host:port`` or ``tls://host:port``.
    empty_seconds, poll_seconds : float
        How long the cluster may be without workers, and the time between two checks, in s.

    Raises
    ------
    UserError
        Dask is not installed, the address is wrong, no scheduler answers there, or the scheduler
        has no workers.
    """
    try:
        from distributed import Client
    except ImportError:
        raise UserError(
            '--scheduler needs Dask, which is missing: run `pip install "halfbyte[dask]"` here and '
            "on the workers"
        ) from None
    _check_address(address)
    with _quiet():
        try:
            client: Any = Client(  # type: ignore[no-untyped-call]
                address, timeout=_CONNECT_SECONDS, set_as_default=False
            )
        except (OSError, ValueError) as error:
            raise UserError(f"No Dask scheduler answers at {address} ({error})") from None
        with closing(client):
            if not client.ncores():
                raise UserError(
                    f"The Dask scheduler at {address} has no workers: start some with "
                    f"`dask worker {address}`"
                )
            yield lambda calls: _run(client, address, empty_seconds, poll_seconds, calls)


@contextmanager
def _quiet() -> Iterator[None]:
    """Silence Dask's log, which prints tracebacks of errors that halfbyte reports in one line."""
    loggers = [logging.getLogger(name) for name in ("distributed", "tornado")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.CRITICAL + 1)
    try:
        yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


def _check_address(address: str) -> None:
    """Raise UserError if the address is wrong or nothing answers there.

    Dask's own client would take longer to notice the mistake, and would print tracebacks.
    """
    match = _ADDRESS.fullmatch(address)
    if match is None:
        raise UserError(
            f"A scheduler's address must look like tcp://host:8786, not {address[:100]!r}"
        )
    try:
        host, port = match[1] or match[2], int(match[3])
        socket.create_connection((host, port), timeout=_CONNECT_SECONDS).close()
    except (OSError, OverflowError) as error:
        raise UserError(
            f"No Dask scheduler answers at {address} ({error}): start one with `dask scheduler`, "
            "and workers with `dask worker ADDRESS`"
        ) from None


def _run(
    client: Any, address: str, empty_seconds: float, poll_seconds: float, calls: Iterator[Any]
) -> Iterator[Any]:
    """Run joblib's delayed calls on the cluster, and yield their results as they come."""
    # This class is not public. But joblib's public functions run the tasks in this process if the
    # cluster has only one thread.
    from joblib._dask import DaskDistributedBackend

    class Backend(DaskDistributedBackend):  # type: ignore[misc]
        def effective_n_jobs(self, n_jobs: int) -> int:
            """Return at least 2: for 1 job, joblib would run the tasks in this process."""
            return max(2, int(super().effective_n_jobs(n_jobs)))

        def give_up(self) -> None:
            """Cancel the running tasks; joblib then raises an error."""
            self.client.cancel(list(self._results), force=True)

    backend = Backend(client=client)
    done = threading.Event()
    empty = threading.Event()

    def watch() -> None:
        """Give up after ``empty_seconds`` without workers; joblib would wait for 15 minutes."""
        without = 0.0
        while not done.wait(poll_seconds):
            without = 0.0 if _has_workers(client) else without + poll_seconds
            if without >= empty_seconds:
                empty.set()
                backend.give_up()
                return

    watcher = threading.Thread(target=watch, name="halfbyte-cluster", daemon=True)
    watcher.start()
    try:
        with parallel_config(backend=backend):
            yield from Parallel(
                n_jobs=-1, return_as="generator_unordered", batch_size=1, timeout=_PATIENCE_SECONDS
            )(calls)
    except Exception:
        if empty.is_set() or not _has_workers(client):
            raise ToolError(
                f"The cluster at {address} has lost its scheduler or its last worker; finished "
                "records are in the store, and the next run continues from there"
            ) from None
        raise
    finally:
        done.set()
        watcher.join()


def _has_workers(client: Any) -> bool:
    """Whether the scheduler answers and has at least one worker."""
    try:
        return bool(client.ncores())
    except Exception:  # the scheduler is gone: Dask raises one of many errors
        return False
