"""Warm processes: Pythons with a script's imports loaded, from which its cases are forked.

`harness.runners.inside.warm` runs in them. A warm process serves the cases whose variables agree
with its own in all that may have been read before the script starts. Other cases are started cold,
unless there are many of the same kind.
"""

from __future__ import annotations

import atexit
import json
import os
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from harness.cases.case import Case
from harness.runners.inside import warm
from harness.runners.real import exchange
from harness.worlds.tree import Tree

# How long the imports may take, and anything else but a case.
_SECONDS = 120.0
# The time that a warm process may take for a case in addition to the script.
_GRACE_SECONDS = 60.0
# How many warm processes there are, and from which case of a kind on it gets one of its own.
_MOST = 4
# The arguments and variables of a case, in bytes.
_MOST_WORDS = 1 << 16
_WORTH = 3
_KILLED = 128
# How often in sequence warm processes may fail.
_TRIES = 3


class WarmFailed(Exception):
    """A warm process has ended, does not answer, or has failed; the message is what it said."""


class WarmProcess(ABC):
    """A warm process, and the connection to it; it was started with the variables `environment`."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        """Start it without any modules."""
        self.environment = dict(environment)
        # The names of the packages that it has loaded, and their modules.
        self.loaded: frozenset[str] = frozenset()
        self._counts: dict[str, bool] = {}
        self._compiled: dict[tuple[str, str, bytes], str | None] = {}

    @abstractmethod
    def _exchange(self, requests: list[tuple[bytes, bytes]], seconds: float) -> tuple[bytes, bytes]:
        """The answer to requests; raises `WarmFailed`."""

    @abstractmethod
    def disconnect(self) -> None:
        """Close the connection in a process that has inherited it."""

    @abstractmethod
    def close(self) -> None:
        """End it."""

    def load(self, modules: Iterable[str]) -> str:
        """Import modules; why scripts cannot be forked then, "" for no reason.

        Raises `WarmFailed`.
        """
        answer = self._ask(warm.IMPORT, list(modules))
        self.loaded = frozenset(answer["loaded"])
        return str(answer["trouble"])

    def differing(self, environment: Mapping[str, str]) -> tuple[str, ...]:
        """The variables of which another value may count before a script; raises `WarmFailed`."""
        mine = self.environment
        names = [one for one in {**mine, **environment} if mine.get(one) != environment.get(one)]
        if unknown := [one for one in names if one not in self._counts]:
            counting = self._ask(warm.READS, unknown)
            self._counts.update((one, one in counting) for one in unknown)
        return tuple(sorted(one for one in names if self._counts[one]))

    def compile(self, cwd: str, path: str, source: bytes) -> str | None:
        """The key of a script that is compiled ahead; None if Python has something to say of it.

        Raises `WarmFailed`.
        """
        program = cwd, path, source
        if program not in self._compiled:
            key = f"{len(self._compiled)} {path}"
            head = json.dumps([key, cwd, path]).encode() + b"\n"
            compiled = json.loads(self._request([(warm.COMPILE, head + source)]))
            self._compiled[program] = key if compiled else None
        return self._compiled[program]

    def run(self, job: Mapping[str, Any], tree: bytes, seconds: float) -> bytes:
        """The response of the agent to a task; raises `WarmFailed`."""
        requests = [(warm.JOB, json.dumps(job).encode()), (warm.TREE, tree)]
        return self._request(requests, seconds)

    def _ask(self, kind: bytes, value: object) -> Any:
        return json.loads(self._request([(kind, json.dumps(value).encode())]))

    def _request(self, requests: list[tuple[bytes, bytes]], seconds: float = _SECONDS) -> bytes:
        kind, data = self._exchange(requests, seconds)
        if kind == warm.ERROR:
            raise WarmFailed(data.decode("utf-8", "replace").strip())
        return data


Start = Callable[[Mapping[str, str]], WarmProcess]


@dataclass
class Pool:
    """The warm processes of one runner in this process, which import `modules`.

    `start(environment)` starts one.
    """

    start: Start
    modules: tuple[str, ...]
    # How many cases have been forked.
    forked: int = 0
    # Why no case can be forked; "" as long as they can.
    failure: str = ""
    _idle: list[WarmProcess] = field(default_factory=list)
    _count: int = 0
    _failures: int = 0
    _seen: Counter[object] = field(default_factory=Counter)

    def respond(self, case: Case, task: exchange.Task) -> exchange.Response | None:
        """The response to a task; None if the case must be started cold."""
        if self.failure or not may_be_warm(case):
            return None
        environment = {**task.job["defaults"], **task.job["variables"]}
        try:
            with self._process(environment) as process:
                if process is None:
                    return None
                response = respond(process, case, task)
        except WarmFailed as error:
            # What fails again and again would cost its time in every case.
            self._failures += 1
            if self._failures >= _TRIES:
                self.failure = str(error)
            return None
        if response is None:
            return None
        self.forked += 1
        self._failures = 0
        return None if _is_doubtful(response, task) else response

    @contextmanager
    def _process(self, environment: Mapping[str, str]) -> Iterator[WarmProcess | None]:
        """A warm process for these variables, while it is used; None if there is none."""
        process = self._take(environment)
        if process is None:
            yield None
            return
        try:
            yield process
        except BaseException:
            self._count -= 1
            process.close()
            raise
        self._idle.append(process)

    def _take(self, environment: Mapping[str, str]) -> WarmProcess | None:
        kind: object = None
        for process in list(self._idle):
            differing = process.differing(environment)
            if not differing:
                self._idle.remove(process)
                return process
            kind = kind or [(one, environment.get(one)) for one in differing]
        self._seen[str(kind)] += 1
        if self._count and (self._count >= _MOST or self._seen[str(kind)] < _WORTH):
            return None
        process = self.start(environment)
        self._count += 1
        try:
            if trouble := process.load(self.modules):
                raise WarmFailed(trouble)
        except BaseException:
            self._count -= 1
            process.close()
            raise
        return process

    def close(self) -> None:
        """End the processes that are idle."""
        while self._idle:
            self._idle.pop().close()
            self._count -= 1

    def disconnect(self) -> None:
        """Forget the processes in a process that has inherited the connections."""
        while self._idle:
            self._idle.pop().disconnect()
        self._count = 0


def respond(
    process: WarmProcess, case: Case, task: exchange.Task, **further: object
) -> exchange.Response | None:
    """The response of a warm process to a task; None if the case must be started cold.

    `further` is added to the job. Raises `WarmFailed`.
    """
    if process.loaded & _module_names(case.tree):
        return None
    key = process.compile(*exchange.program_of(case))
    if key is None:
        return None
    job = {**task.job, "code": key, **further}
    data = process.run(job, task.tree, case.timeout + _GRACE_SECONDS)
    return exchange.Response.from_tar(data, case)


def may_be_warm(case: Case) -> bool:
    """Whether the script of a case can be forked from a warm process.

    Modules are imported as root, and the options of Python are those of a script.
    """
    entry = case.tree.get(case.script)
    is_script = entry is not None and entry.kind == "file" and not case.is_other_program
    words = (*case.arguments, *case.variables, *case.variables.values())
    return (
        is_script
        and not case.user
        and not case.module
        # The kernel starts no program with more.
        and sum(len(os.fsencode(one)) for one in words) < _MOST_WORDS
    )


def _module_names(tree: Tree) -> frozenset[str]:
    """The names under which files of a tree may be imported."""
    names = set()
    for path, _ in tree:
        folder, _, name = path.rpartition("/")
        stem, _, suffix = name.partition(".")
        if suffix.endswith(("py", "so", "pyc")):
            names.add(folder.rpartition("/")[2] if stem == "__init__" else stem)
    return frozenset(names)


def _is_doubtful(response: exchange.Response, task: exchange.Task) -> bool:
    """Whether a script was killed or did not end, for which a fork may be the reason."""
    code = response.outcome["exit_code"]
    is_ended = task.job["interrupt"] or task.job["fault"]
    return not is_ended and (code is None or code > _KILLED)


_pools: dict[object, Pool] = {}


def pool(key: object, start: Start, modules: tuple[str, ...]) -> Pool:
    """The pool of this process with a key."""
    return _pools.setdefault(key, Pool(start, modules))


def close(key: object, end: bool = True) -> None:
    """End the processes of a pool, or forget them, where they end by themselves."""
    if (found := _pools.pop(key, None)) is not None and end:
        found.close()


def _disconnect_all() -> None:
    while _pools:
        _pools.popitem()[1].disconnect()


def _close_all() -> None:
    while _pools:
        _pools.popitem()[1].close()


os.register_at_fork(after_in_child=_disconnect_all)
atexit.register(_close_all)
