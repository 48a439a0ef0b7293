"""Dask's workers, on any number of machines: what `--executor dask://HOST:PORT` names."""

from __future__ import annotations

import contextlib
import logging
import socket
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError, Executor, Future
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from harness.errors import WorkersFailed, WrongUse
from harness.runs.workers import subprocess_pool
from harness.runs.workers.executor_pool import Cluster

if TYPE_CHECKING:
    from distributed import Client

SCHEME = "dask"
# How long the workers may take to end what they do for us, in seconds.
_GRACE = 15.0
_START_ONE = "start one with the harness installed: dask worker HOST:PORT"


@contextmanager
def connected(address: str) -> Iterator[DaskExecutor]:
    """Within this, the workers of a scheduler; raises `WrongUse` and `WorkersFailed`."""
    host, port = _host_and_port(address)
    try:
        import distributed
    except ImportError as error:
        raise WorkersFailed(
            f"Dask is not installed: {error}", "pip install 'step-harness[dask]'"
        ) from None
    for name in ("distributed", "distributed.client"):
        # What they have to say is told by our own errors.
        logging.getLogger(name).setLevel(logging.CRITICAL + 1)
    patience = _patience()
    try:
        _greeting(host, port, patience)
        there = f"tcp://[{host}]:{port}" if ":" in host else f"tcp://{host}:{port}"
        client = distributed.Client(there, timeout=patience, set_as_default=False)
    except (OSError, distributed.TimeoutError) as error:
        raise WorkersFailed(
            f"no Dask scheduler answers at {address}: {error}",
            "start one (dask scheduler --port PORT), or name the address that it tells",
        ) from None
    with client:
        try:
            client.wait_for_workers(1, timeout=patience)
        except distributed.TimeoutError:
            raise WorkersFailed(f"the scheduler at {address} has no workers", _START_ONE) from None
        executor = DaskExecutor(client, address, patience)
        try:
            yield executor
        finally:
            executor.shutdown(wait=False)


def _patience() -> float:
    """How long a scheduler may take to answer, and workers to appear: Dask's own configuration."""
    import dask
    from dask.utils import parse_timedelta

    return float(parse_timedelta(dask.config.get("distributed.comm.timeouts.connect")))


def _greeting(host: str, port: int, patience: float) -> None:
    """Hear what a scheduler says first; raises `OSError` where one does not.

    Dask's own client would wait for ever for something that listens there and says nothing.
    """
    with socket.create_connection((host, port), timeout=patience) as stream:
        if not stream.recv(1):
            raise ConnectionResetError("whatever listens there says nothing")


def _host_and_port(address: str) -> tuple[str, int]:
    with contextlib.suppress(ValueError):
        parts = urlsplit(address)
        if (parts.scheme, parts.path) == (SCHEME, "") and parts.hostname and parts.port:
            return parts.hostname, parts.port
    raise WrongUse(
        f"--executor {address}: that is no address of workers",
        f"it is {SCHEME}://HOST:PORT, where a Dask scheduler listens, such as "
        f"{SCHEME}://127.0.0.1:8786",
    )


class DaskExecutor(Cluster):
    """The workers of a Dask cluster. Neither they nor the scheduler need to have this module."""

    def __init__(self, client: Client, address: str, patience: float) -> None:
        """Use a client, which stays the caller's; be without workers for `patience` seconds."""
        self.session = uuid.uuid4().hex
        self._client = client
        self._address = address
        self._patience = patience
        self._executor: Executor = client.get_executor(pure=False)
        self._seen = time.monotonic()

    def submit(self, function: Callable[..., Any], /, *arguments: Any, **named: Any) -> Future[Any]:
        """Have a function of a module called on some worker; on another one if that dies."""
        task = (function.__module__, function.__qualname__, *arguments)
        return self._executor.submit(_by_name(), *task, **named)

    def check(self) -> None:
        """Raises `WorkersFailed` when the scheduler is gone, or has had no workers for a while."""
        from distributed import TimeoutError as Late

        try:
            workers = self._client.nthreads()
        except (OSError, ValueError, Late) as error:
            raise self._gone(error) from None
        if workers:
            self._seen = time.monotonic()
        elif time.monotonic() - self._seen > self._patience:
            raise WorkersFailed(
                f"the scheduler at {self._address} has lost all its workers",
                "look at their logs: they may lack memory; " + _START_ONE,
            )

    def _gone(self, error: Exception) -> WorkersFailed:
        reason = str(error) or "the cases have been cancelled"
        return WorkersFailed(
            f"the Dask scheduler at {self._address} has gone: {reason}", "look at its log"
        )

    def explained(self, error: Exception) -> WorkersFailed | None:
        """What Dask's own errors mean, and that a worker lacks the harness."""
        from distributed import KilledWorker

        if isinstance(error, CancelledError):
            return self._gone(error)
        if isinstance(error, KilledWorker):
            return WorkersFailed(
                f"the workers that had a case died again and again: {error.last_worker.address} "
                "was the last of them",
                "look at its log: it may lack memory",
            )
        if isinstance(error, ImportError) and (error.name or "").partition(".")[0] == "harness":
            return WorkersFailed(
                f"a worker of {self._address} does not have this harness: {error}",
                "install the same step-harness on all workers, and start them anew",
            )
        return None

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """End whatever the workers do for us; without `wait`, even what has not ended."""
        self._executor.shutdown(wait=wait and not cancel_futures)
        # A worker that has just died keeps the others' answers waiting.
        telling = threading.Thread(target=self._tell_the_end, daemon=True)
        telling.start()
        telling.join(_GRACE)

    def _tell_the_end(self) -> None:
        task = (subprocess_pool.end.__module__, subprocess_pool.end.__qualname__, self.session)
        # Where the scheduler is gone, too, the processes apart end for want of work.
        with contextlib.suppress(Exception):
            self._client.run(_by_name(), *task, on_error="ignore")


def _by_name() -> Callable[..., Any]:
    """A function that travels by value, since a scheduler or worker may lack this package."""

    def call(module: str, name: str, *arguments: Any) -> Any:
        import importlib

        return getattr(importlib.import_module(module), name)(*arguments)

    return call
