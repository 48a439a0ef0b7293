"""The workers of a Dask cluster, on any number of machines: `--executor dask://HOST:PORT`."""

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
from harness.runs.workers.executor_pool import ClusterExecutor

if TYPE_CHECKING:
    from distributed import Client

SCHEME = "dask"
# How long the workers may take to end the child processes of a session, in seconds.
_SHUTDOWN_TIMEOUT = 15.0
_HOW_TO_START_A_WORKER = "start one with the harness installed: dask worker HOST:PORT"


@contextmanager
def connected(address: str) -> Iterator[DaskExecutor]:
    """Connect to the workers of a scheduler; raises `WrongUse` and `WorkersFailed`."""
    host, port = _host_and_port(address)
    try:
        import distributed
    except ImportError as error:
        raise WorkersFailed(
            f"Dask is not installed: {error}",
            "install it where the harness is: pip install 'distributed>=2024.8'",
        ) from None
    for name in ("distributed", "distributed.client"):
        # The errors raised here say the same.
        logging.getLogger(name).setLevel(logging.CRITICAL + 1)
    timeout = _connect_timeout()
    try:
        _check_that_it_answers(host, port, timeout)
        scheduler = f"tcp://[{host}]:{port}" if ":" in host else f"tcp://{host}:{port}"
        client = distributed.Client(scheduler, timeout=timeout, set_as_default=False)
    except (OSError, distributed.TimeoutError) as error:
        raise WorkersFailed(
            f"no Dask scheduler answers at {address}: {error}",
            "start one (dask scheduler --port PORT), or name the address that it prints",
        ) from None
    with client:
        try:
            client.wait_for_workers(1, timeout=timeout)
        except distributed.TimeoutError:
            raise WorkersFailed(
                f"the scheduler at {address} has no workers", _HOW_TO_START_A_WORKER
            ) from None
        executor = DaskExecutor(client, address, timeout)
        try:
            yield executor
        finally:
            executor.shutdown(wait=False)


def _connect_timeout() -> float:
    """How long a scheduler may take to answer, and workers to appear, in seconds.

    It is part of Dask's configuration.
    """
    import dask
    from dask.utils import parse_timedelta

    return float(parse_timedelta(dask.config.get("distributed.comm.timeouts.connect")))


def _check_that_it_answers(host: str, port: int, timeout: float) -> None:
    """Receive the first byte that a scheduler sends; raises `OSError` when none comes.

    Dask's client would wait without limit for a server that accepts connections and sends nothing.
    """
    with socket.create_connection((host, port), timeout=timeout) as stream:
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


class DaskExecutor(ClusterExecutor):
    """The workers of a Dask cluster; neither they nor the scheduler need this module."""

    def __init__(self, client: Client, address: str, timeout: float) -> None:
        """Use a client, which is the caller's; fail after `timeout` seconds without workers."""
        self.session = uuid.uuid4().hex
        self._client = client
        self._address = address
        self._timeout = timeout
        self._executor: Executor = client.get_executor(pure=False)
        self._last_seen = time.monotonic()

    def submit(self, function: Callable[..., Any], /, *arguments: Any, **named: Any) -> Future[Any]:
        """Call a module's function on some worker, and on another one if that worker dies."""
        call = (function.__module__, function.__qualname__, *arguments)
        return self._executor.submit(_call_by_name(), *call, **named)

    def check(self) -> None:
        """Raises `WorkersFailed` when the scheduler is lost, or has had no workers for a while."""
        from distributed import TimeoutError as DaskTimeout

        try:
            workers = self._client.nthreads()
        except (OSError, ValueError, DaskTimeout) as error:
            raise self._scheduler_lost(error) from None
        if workers:
            self._last_seen = time.monotonic()
        elif time.monotonic() - self._last_seen > self._timeout:
            raise WorkersFailed(
                f"the scheduler at {self._address} has lost all its workers",
                "look at their logs: they may lack memory; " + _HOW_TO_START_A_WORKER,
            )

    def _scheduler_lost(self, error: Exception) -> WorkersFailed:
        reason = str(error) or "the cases have been cancelled"
        return WorkersFailed(
            f"the Dask scheduler at {self._address} has gone: {reason}", "look at its log"
        )

    def explain(self, error: Exception) -> WorkersFailed | None:
        """What Dask's own errors mean, and the import error of a worker without the harness."""
        from distributed import KilledWorker

        if isinstance(error, CancelledError):
            return self._scheduler_lost(error)
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
        """End the child processes of this session; without `wait`, even those that run a case."""
        self._executor.shutdown(wait=wait and not cancel_futures)
        # The call may block on a worker that has just died.
        ending = threading.Thread(target=self._end_session, daemon=True)
        ending.start()
        ending.join(_SHUTDOWN_TIMEOUT)

    def _end_session(self) -> None:
        function = subprocess_pool.end_session
        call = (function.__module__, function.__qualname__, self.session)
        # If the scheduler is lost too, the child processes end when they have been idle too long.
        with contextlib.suppress(Exception):
            self._client.run(_call_by_name(), *call, on_error="ignore")


def _call_by_name() -> Callable[..., Any]:
    """A function that calls another by name; nested, so that it is pickled by value.

    A scheduler or a worker may lack this package.
    """

    def call(module: str, name: str, *arguments: Any) -> Any:
        import importlib

        return getattr(importlib.import_module(module), name)(*arguments)

    return call
