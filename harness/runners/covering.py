"""The covering runner: it runs a case only when none that was run before answers for it.

What a case looks at is recorded in the fake file system or, of what cannot run there, in a second
run in the sandbox. The outcome of every other case in which all of that is the same follows,
whichever runner has made it.
"""

from __future__ import annotations

import contextlib
import hmac
import pickle
import secrets
import uuid
from collections.abc import Callable, Hashable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from harness.cases.case import Case, Outcome
from harness.cases.following import (
    Contradiction,
    Decisions,
    Run,
    Trace,
    World,
    by_lists_of,
    start_of,
)
from harness.cases.observed import Observations, Query
from harness.errors import RunnerCannot
from harness.runners import Runner
from harness.runners.fake.runner import FakeRunner
from harness.runners.real.sandbox import SandboxRunner
from harness.runners.real.warm_plan import VARIABLE
from harness.worlds.tree import is_under

# Of runs whose questions name no path at which nothing is: where those contradict each other.
_BY_LISTS = "by lists"
# Of a run, and of what it looked at.
_RUN, _SEEN = ".run", ".seen"
_DIGEST = "sha256"
_DIGEST_SIZE = 32


# Whether two runs of a case have come to the same.
Same = Callable[[Case, Outcome, Outcome], bool]


@dataclass(frozen=True)
class InSandbox:
    """Recording in the sandbox: of a run that comes to the same when it is made again.

    No system call shows clocks and random numbers: the second run is at another time. It is given
    up, in each process, when so many cases were recorded and not as many have followed.
    """

    same: Same
    tries: int


@dataclass(frozen=True)
class CoveringRunner:
    """Runs cases through another runner, and shares what was run in a folder of this session.

    What they look at is recorded in the fake file system, or `in_sandbox`. Each process knows the
    runs in the folder; where there is no such folder, as on another machine, its own. What is
    shared is signed with a key of the session, so that nothing else is read that a script has put
    there.
    """

    runner: Runner
    folder: Path
    key: bytes = field(default_factory=lambda: secrets.token_bytes(_DIGEST_SIZE), repr=False)
    in_sandbox: InSandbox | None = None

    @property
    def name(self) -> str:
        """That of the other runner."""
        return self.runner.name

    def prepare(self) -> None:
        """Prepare the other runner."""
        self.runner.prepare()

    def run(self, case: Case) -> Outcome:
        """The outcome that follows from an earlier run, else that of a run; as the other raises."""
        start = start_of(case)
        if start is None:
            return self.runner.run(case)
        known = _known(self.folder, self.key)
        if run := known.find(start, case):
            known.followed += 1
            return run.outcome_of(case)
        outcome, observed = self._run(case, known)
        known.tell(observed)
        if observed is not None and not observed.hidden and not outcome.unproven:
            known.add(start, observed, Run(case, outcome))
        return outcome

    def trace(self, case: Case) -> Trace | None:
        """The run that answers for a case, and what that has asked; None when there is none."""
        start = start_of(case)
        if start is None:
            return None
        return _known(self.folder, self.key).trace(start, case)

    def _run(self, case: Case, known: _Known) -> tuple[Outcome, Observations | None]:
        if self.in_sandbox is not None:
            return self._run_twice(case, known, self.in_sandbox)
        if isinstance(self.runner, FakeRunner):
            outcome = self.runner.observing().run(case)
            return replace(outcome, observed=None), outcome.observed
        outcome = self.runner.run(case)
        try:
            seen = FakeRunner().observing().run(case)
        except RunnerCannot:
            return outcome, None
        # What does not end in the same way, for the same reason, is not the same script there.
        return outcome, seen.observed if ends_alike(seen, outcome) else None

    def _run_twice(
        self, case: Case, known: _Known, recording: InSandbox
    ) -> tuple[Outcome, Observations | None]:
        outcome = self.runner.run(case)
        is_vain = known.recorded >= max(recording.tries, known.followed + 1)
        if outcome.unproven or is_vain or not isinstance(self.runner, SandboxRunner):
            return outcome, None
        known.recorded += 1
        seen = self.runner.observing().run(case)
        is_same = ends_alike(seen, outcome) and recording.same(case, outcome, seen)
        return outcome, seen.observed if is_same and _shows_changes(seen) else None

    def looked_at(self) -> frozenset[Query] | None:
        """All that any run in the folder has looked at; None when that is not known of each."""
        found: set[Query] = set()
        for observed in _read_signed([*self.folder.glob(f"[!.]*{_SEEN}")], self.key):
            if observed is None:
                return None
            found.update(observed.queries)
        return frozenset(found) or None

    def identity(self) -> object:
        """That of the other runner."""
        return self.runner.identity()

    def for_this_process(self) -> CoveringRunner:
        """The same, with a copy of the other runner."""
        return replace(self, runner=self.runner.for_this_process())

    def close(self) -> None:
        """Close the other runner."""
        _processes.pop(self.folder, None)
        self.runner.close()


def ends_alike(first: Outcome, second: Outcome) -> bool:
    """Whether two runs have ended in the same way, for the same reason."""
    return _end(first) == _end(second)


def _end(outcome: Outcome) -> tuple[int | None, str]:
    """The exit code, and the last line of what a failure says, but for dates and such."""
    said = outcome.stderr if outcome.exit_code else ""
    return outcome.exit_code, VARIABLE.sub("0", said.rstrip().rpartition("\n")[2])


def _shows_changes(outcome: Outcome) -> bool:
    """Whether all that a run has changed is among what it has looked at."""
    if outcome.observed is None or outcome.after is None:
        return False
    queries = outcome.observed.queries
    seen = {path for kind, path in queries if kind in ("stat", "lookup")}
    moved = [path for kind, path in queries if kind == "tree"]
    before = outcome.before
    return all(
        path in seen or any(is_under(path, one) for one in moved)
        for found in (outcome.after.added_or_changed(before), outcome.after.removed(before))
        for path, _ in found
    )


class _Known:
    """The runs that this process knows of a session."""

    def __init__(self, folder: Path, key: bytes) -> None:
        """None yet."""
        self._folder, self._key = folder, key
        self._read: set[str] = set()
        self._decisions: Decisions[Query, Run] = Decisions()
        # How many cases were recorded in a sandbox, and have followed, in this process.
        self.recorded = self.followed = 0

    def find(self, start: Hashable, case: Case) -> Run | None:
        """The run that answers for a case; None when there is none."""
        world = World(case)
        found = self._find(start, world)
        if found is None and self._read_others():
            found = self._find(start, world)
        return found

    def _find(self, start: Hashable, world: World) -> Run | None:
        found = self._decisions.find(start, world.answer)
        return found or self._decisions.find((_BY_LISTS, start), world.answer)

    def trace(self, start: Hashable, case: Case) -> Trace | None:
        """That run, and what it has asked."""
        world = World(case)
        for begin in (start, (_BY_LISTS, start)):
            queries: list[Query] = []
            run = self._decisions.find(begin, _noting(queries, world))
            if run is not None:
                return run, tuple(queries)
        return None

    def add(self, start: Hashable, observed: Observations, run: Run) -> None:
        """Let a run answer for others, unless another one contradicts it, here and elsewhere."""
        if not self._learn(start, observed, run):
            return
        self._read.add(self._share((start, observed, run), _RUN))

    def tell(self, observed: Observations | None) -> None:
        """Share what a run has looked at, whether it answers for others or not."""
        self._share(observed, _SEEN)

    def _share(self, value: object, suffix: str) -> str:
        """Write a value for other processes, if they can read it; the name of its file."""
        name = f"{uuid.uuid4().hex}{suffix}"
        with contextlib.suppress(OSError):
            hidden = self._folder / f".{name}"
            data = pickle.dumps(value)
            hidden.write_bytes(hmac.digest(self._key, data, _DIGEST) + data)
            hidden.replace(self._folder / name)
        return name

    def _learn(self, start: Hashable, observed: Observations, run: Run) -> bool:
        by_lists = by_lists_of(observed.queries, run.case.tree)
        for begin, queries in ((start, observed.queries), ((_BY_LISTS, start), by_lists)):
            with contextlib.suppress(Contradiction):
                self._decisions.add(begin, queries, World(run.case).answer, run)
                return True
        return False

    def _read_others(self) -> bool:
        """Read what other processes have run meanwhile; whether there was any."""
        try:
            names = {one.name for one in self._folder.glob(f"[!.]*{_RUN}")}
        except OSError:
            return False
        new = names - self._read
        for start, observed, run in _read_signed([self._folder / one for one in new], self._key):
            self._learn(start, observed, run)
        self._read |= new
        return bool(new)


def _noting(queries: list[Query], world: World) -> Callable[[Query], Hashable]:
    """The answers of a world, each of whose questions is noted."""

    def answer(query: Query) -> Hashable:
        queries.append(query)
        return world.answer(query)

    return answer


_processes: dict[Path, _Known] = {}


def _known(folder: Path, key: bytes) -> _Known:
    return _processes.setdefault(folder, _Known(folder, key))


def _read_signed(files: list[Path], key: bytes) -> Iterator[Any]:
    """The values in those of the files that have been written with this key."""
    for file in files:
        data = file.read_bytes()
        digest, value = data[:_DIGEST_SIZE], data[_DIGEST_SIZE:]
        if hmac.compare_digest(digest, hmac.digest(key, value, _DIGEST)):
            yield pickle.loads(value)
