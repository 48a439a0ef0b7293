"""The container runner: the script runs in a container of a Docker engine, local or remote.

The tree is sent and received through the container's standard input and output; nothing is mounted
from this machine. The image needs `python3` (3.8 or newer) and no part of the harness. Containers
have no network, run as root as SageMaker's do, and are always removed; the script runs as the user
of the case.

Each worker reuses one container, in which every case has its own namespaces; or every case has a
new container. `harness.runners.inside.serve` runs in the container.
"""

from __future__ import annotations

import contextlib
import os
import platform
import threading
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from harness.cases.case import Case, Outcome
from harness.errors import RunnerCannot, RunnerUnavailable
from harness.runners.inside import serve
from harness.runners.real import engine, exchange, interrupts, warm

if TYPE_CHECKING:
    from harness.runners.real.attached import AttachedContainer, Frame
    from harness.runners.real.warm import WarmProcess

# The fields of a runner that identify the run, and on which no verdict depends.
_RUN_FIELDS = ("session", "host", "process")
# Where inputs are mounted; in memory, folders list their entries in the order of their creation.
_INPUT_FOLDERS = ("/opt/ml/input/data", "/opt/ml/processing/input")
_IN_MEMORY = "mode=755,exec"
# The agent mounts file systems: the roots of cases, and read-only folders. The script may not.
_MAY_MOUNT = {"cap_add": ["SYS_ADMIN"], "security_opt": ["apparmor=unconfined"]}
# The time that a container may take in addition to the script.
_GRACE_SECONDS = 60.0
# The containers with isolation "worker": session → container, in every thread.
_reusable = threading.local()


@dataclass(frozen=True)
class ContainerRunner:
    """Runs cases in containers of `image`.

    `isolation` is "worker" (each worker reuses one container) or "case" (each case has its own).
    With `modules`, cases are forked from processes that have imported them, where containers are
    reused. `session` identifies the run in the labels of its containers, `host` and `process` its
    process.
    """

    image: str
    isolation: str = "worker"
    name: str = "container"
    session: str = field(default_factory=lambda: uuid.uuid4().hex)
    host: str = field(default_factory=platform.node)
    process: int = field(default_factory=os.getpid)
    modules: tuple[str, ...] | None = None

    def prepare(self) -> None:
        """Find the engine, pull the image, and remove containers that dead runs have left."""
        with engine.connected() as client:
            engine.ensure_image(client, self.image)
            engine.remove_orphans(client)

    def run(self, case: Case) -> Outcome:
        """Run one case; raises `RunnerCannot`, or `RunnerUnavailable` without a right to mount."""
        return interrupts.run(case, partial(self._send, case))

    def identity(self) -> object:
        """The current id of the image, the engine, and the options of containers.

        Raises `RunnerUnavailable` when the engine fails.
        """
        settings = {
            one.name: getattr(self, one.name) for one in fields(self) if one.name not in _RUN_FIELDS
        }
        with engine.connected() as client:
            return settings, *engine.describe(client, self.image)

    def for_this_process(self) -> ContainerRunner:
        """A runner whose containers belong to this process, and end with it."""
        session = uuid.uuid4().hex
        return replace(self, session=session, host=platform.node(), process=os.getpid())

    def start_warm(self, environment: Mapping[str, str]) -> WarmProcess:
        """A new warm process in the container of this thread, without any modules.

        Raises `WarmFailed`.
        """
        from harness.runners.real.warm_container import ContainerProcess

        if self.isolation == "case":
            raise warm.WarmFailed("every case has a container of its own")
        return ContainerProcess(self._ask_reusable, environment)

    def with_modules(self, modules: tuple[str, ...]) -> ContainerRunner:
        """The same runner with these modules imported ahead."""
        return replace(self, modules=modules)

    def close(self) -> None:
        """Remove every container of this run."""
        warm.close(self.session, end=False)
        self._close_reusable()
        with contextlib.suppress(RunnerUnavailable), engine.connected() as client:
            engine.remove_all(client, self.session)

    def _send(self, case: Case, interrupt: dict[str, Any] | None) -> exchange.Response:

        task = exchange.Task.of(case, interrupt)
        if self.modules is not None and self.isolation == "worker":
            pool = warm.pool(self.session, self.start_warm, self.modules)
            if (response := pool.respond(case, task)) is not None:
                return response
        return self._send_cold(case, task)

    def _send_cold(self, case: Case, task: exchange.Task) -> exchange.Response:
        from harness.runners.real.attached import ContainerEnded, ResponseTimeout

        seconds = case.timeout + _GRACE_SECONDS
        try:
            if self.isolation == "case":
                with contextlib.closing(self._start(case)) as attached:
                    response = attached.send(task, seconds)
            else:
                response = self._send_to_reusable(task, seconds)
        except engine.failures() as error:
            raise RunnerCannot(
                f"the Docker engine failed in case {case.id!r}: {engine.reason_of(error)}",
                "look at `docker info` and the engine's log, then run it again; "
                "the image needs python3, 3.8 or newer",
            ) from None
        except ContainerEnded as error:
            raise RunnerCannot(
                f"the container of case {case.id!r} ended without an answer: {error}",
                f"the image needs python3, 3.8 or newer: {self.image}; and the engine memory",
            ) from None
        except ResponseTimeout:
            raise RunnerCannot(
                f"the container of case {case.id!r} does not answer",
                "look at the load of the engine's machine, then run it again",
            ) from None
        if response.kind == serve.NO_WORLD:
            raise RunnerUnavailable(
                f"no world can be made within a container of {self.image!r}: {response.text}",
                "use --isolation case, which takes a fresh container for every case",
            )
        if response.kind != serve.RESULT:
            raise RunnerCannot(
                f"the agent failed in case {case.id!r}: {response.text}",
                "run it again; if it fails every time, try --isolation case",
            )
        return exchange.Response.from_tar(response.data, case)

    def _send_to_reusable(self, task: exchange.Task, seconds: float) -> Frame:
        """The response of this thread's container, which is started if there is none."""
        return self._with_reusable(lambda attached: attached.send(task, seconds))

    def _ask_reusable(self, requests: Sequence[tuple[bytes, bytes]], seconds: float) -> Frame:
        """As `_send_to_reusable` does, with frames for a warm process; raises `WarmFailed`."""
        from harness.runners.real.attached import ContainerEnded, ResponseTimeout

        failures: tuple[type[Exception], ...] = (ContainerEnded, ResponseTimeout)
        try:
            return self._with_reusable(lambda attached: attached.ask(requests, seconds))
        except (*failures, *engine.failures()) as error:
            raise warm.WarmFailed(f"its container has failed: {error!r}") from None

    def _with_reusable(self, send: Callable[[AttachedContainer], Frame]) -> Frame:
        from harness.runners.real.attached import ContainerEnded

        by_session = vars(_reusable)
        if (existing := by_session.pop(self.session, None)) is not None:
            with contextlib.suppress(ContainerEnded):
                # An idle container ends by itself.
                return self._send_and_keep(existing, send)
        return self._send_and_keep(self._start(), send)

    def _send_and_keep(
        self, attached: AttachedContainer, send: Callable[[AttachedContainer], Frame]
    ) -> Frame:
        """The response of a container, which is kept for the next case unless this raises."""
        with contextlib.ExitStack() as on_failure:
            on_failure.callback(attached.close)
            response = send(attached)
            on_failure.pop_all()
        vars(_reusable)[self.session] = attached
        return response

    def _start(self, case: Case | None = None) -> AttachedContainer:
        """Start a container for one case, or a reusable one if `case` is None."""
        from harness.runners.real.attached import AttachedContainer

        labels = engine.labels(self.session, self.host, self.process)
        if case is None:
            return AttachedContainer(self.image, "worker", labels, _MAY_MOUNT)
        tmpfs = {one: _IN_MEMORY for one in _INPUT_FOLDERS if one in case.tree}
        tmpfs |= {mount.path: exchange.mount_options(case, mount) for mount in case.mounts}
        rights = _MAY_MOUNT if case.read_only else {}
        return AttachedContainer(self.image, "case", labels, {"tmpfs": tmpfs, **rights})

    def _close_reusable(self) -> None:
        if (attached := vars(_reusable).pop(self.session, None)) is not None:
            attached.close()
