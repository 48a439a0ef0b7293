"""The container runner: the script in a real container.

Needs a Docker engine that answers, here or anywhere: the tree goes in and out over the container's
standard input and output, nothing is mounted from this machine. The image needs `python3` (3.8 or
newer) and nothing of the harness. Containers have no network, run as root as SageMaker's do, and
are removed whatever happens; the script itself runs as the user that the case says.

One container serves a worker for all of its cases, each in a world of its own within it; or every
case gets a fresh container. `harness.runners.inside.serve` is what runs inside.
"""

from __future__ import annotations

import contextlib
import os
import platform
import threading
import uuid
from dataclasses import dataclass, field, fields, replace
from functools import partial
from typing import TYPE_CHECKING

from harness.cases.case import Case, Outcome
from harness.errors import RunnerCannot, RunnerUnavailable
from harness.runners.inside import serve
from harness.runners.real import engine, exchange

if TYPE_CHECKING:
    from harness.runners.real.attached import Attached, Reply

# The fields of a runner that tell whose containers are whose.
_OF_THIS_RUN = ("session", "host", "process")
# For worlds within a container, and folders that are read-only: the agent may mount, the script
# may not.
_MAY_MOUNT = {"cap_add": ["SYS_ADMIN"], "security_opt": ["apparmor=unconfined"]}
# What a container may take beside the script itself, in seconds.
_GRACE = 60.0
# The containers that live as long as a worker: one of each run in every thread.
_lasting = threading.local()


@dataclass(frozen=True)
class ContainerRunner:
    """Runs cases in containers of `image`; `isolation` tells how long they live.

    "worker": one serves a worker for all of its cases; "case": each case has its own. `session`
    marks the containers of this run, `host` and `process` tell whose it is.
    """

    image: str
    isolation: str = "worker"
    name: str = "container"
    session: str = field(default_factory=lambda: uuid.uuid4().hex)
    host: str = field(default_factory=platform.node)
    process: int = field(default_factory=os.getpid)

    def prepare(self) -> None:
        """Find the engine and the image, and remove what a dead run has left behind."""
        with engine.connected() as client:
            engine.find(client, self.image)
            engine.remove_orphans(client)

    def run(self, case: Case) -> Outcome:
        """Run one case; raises `RunnerCannot`, or `RunnerUnavailable` without worlds."""
        return exchange.run(case, partial(self._ask, case))

    def identity(self) -> object:
        """The image as it is now, the engine, and how containers are made.

        Raises `RunnerUnavailable` when the engine does not say.
        """
        made = {
            one.name: getattr(self, one.name)
            for one in fields(self)
            if one.name not in _OF_THIS_RUN
        }
        with engine.connected() as client:
            return made, *engine.describe(client, self.image)

    def here(self) -> ContainerRunner:
        """One whose containers are those of this process, and go with it."""
        session = uuid.uuid4().hex
        return replace(self, session=session, host=platform.node(), process=os.getpid())

    def close(self) -> None:
        """Remove every container of this run."""
        self._let_go()
        with contextlib.suppress(RunnerUnavailable), engine.connected() as client:
            engine.remove_all(client, self.session)

    def _ask(self, case: Case, interrupt: str | None) -> exchange.Answer:
        from harness.runners.real.attached import Ended, Silent

        task = exchange.Task.of(case, interrupt)
        seconds = case.timeout + _GRACE
        try:
            if self.isolation == "case":
                with contextlib.closing(self._start(case)) as fresh:
                    reply = fresh.ask(task, seconds)
            else:
                reply = self._from_lasting(task, seconds)
        except engine.failures() as error:
            raise RunnerCannot(
                f"the Docker engine failed in case {case.id!r}: {engine.reason_of(error)}",
                "look at `docker info` and the engine's log, then run it again; "
                "the image needs python3, 3.8 or newer",
            ) from None
        except Ended as error:
            raise RunnerCannot(
                f"the container of case {case.id!r} ended without an answer: {error}",
                f"the image needs python3, 3.8 or newer: {self.image}; and the engine memory",
            ) from None
        except Silent:
            raise RunnerCannot(
                f"the container of case {case.id!r} does not answer",
                "look at the load of the engine's machine, then run it again",
            ) from None
        if reply.kind == serve.NO_WORLD:
            raise RunnerUnavailable(
                f"no world can be made within a container of {self.image!r}: {reply.text}",
                "use --isolation case, which takes a fresh container for every case",
            )
        if reply.kind != serve.ANSWER:
            raise RunnerCannot(
                f"the agent failed in case {case.id!r}: {reply.text}",
                "run it again; if it fails every time, try --isolation case",
            )
        return exchange.Answer.from_tar(reply.data)

    def _from_lasting(self, task: exchange.Task, seconds: float) -> Reply:
        """What the container of this worker answers; it is started if there is none."""
        from harness.runners.real.attached import Ended

        mine = vars(_lasting)
        if (used := mine.pop(self.session, None)) is not None:
            with contextlib.suppress(Ended):
                # It does not wait for its worker for ever.
                return self._kept(used, task, seconds)
        return self._kept(self._start(), task, seconds)

    def _kept(self, one: Attached, task: exchange.Task, seconds: float) -> Reply:
        """What a container answers, which is kept for the next case unless something went wrong."""
        with contextlib.ExitStack() as unless_kept:
            unless_kept.callback(one.close)
            reply = one.ask(task, seconds)
            unless_kept.pop_all()
        vars(_lasting)[self.session] = one
        return reply

    def _start(self, case: Case | None = None) -> Attached:
        """A container for one case, or one that lasts."""
        from harness.runners.real.attached import Attached

        labels = engine.labels(self.session, self.host, self.process)
        if case is None:
            return Attached(self.image, "worker", labels, _MAY_MOUNT)
        tmpfs = {mount.path: exchange.mount_options(case, mount) for mount in case.mounts}
        rights = _MAY_MOUNT if case.read_only else {}
        return Attached(self.image, "case", labels, {"tmpfs": tmpfs, **rights})

    def _let_go(self) -> None:
        if (one := vars(_lasting).pop(self.session, None)) is not None:
            one.close()
