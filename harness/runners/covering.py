"""The covering runner: it runs a case only when none that was run before answers for it.

What a case looks at is recorded in the fake file system. The outcome of every other case in which
all of that is the same follows, whichever runner has made it.
"""

from __future__ import annotations

import contextlib
import hmac
import pickle
import secrets
import uuid
from collections.abc import Hashable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from harness.cases.case import Case, Outcome
from harness.cases.following import Contradiction, Decisions, Run, Trace, World, start_of
from harness.cases.observed import Observations, Query
from harness.errors import RunnerCannot
from harness.runners import Runner
from harness.runners.fake.runner import FakeRunner

# Of a run, and of what it looked at.
_RUN, _SEEN = ".run", ".seen"
_DIGEST = "sha256"
_DIGEST_SIZE = 32


@dataclass(frozen=True)
class CoveringRunner:
    """Runs cases through another runner, and shares what was run in a folder of this session.

    Each process knows the runs in the folder; where there is no such folder, as on another machine,
    its own. What is shared is signed with a key of the session, so that nothing else is read that a
    script has put there.
    """

    runner: Runner
    folder: Path
    key: bytes = field(default_factory=lambda: secrets.token_bytes(_DIGEST_SIZE), repr=False)

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
            return run.outcome_of(case)
        outcome, observed = self._run(case)
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

    def _run(self, case: Case) -> tuple[Outcome, Observations | None]:
        if isinstance(self.runner, FakeRunner):
            outcome = self.runner.observing().run(case)
            return replace(outcome, observed=None), outcome.observed
        outcome = self.runner.run(case)
        try:
            seen = FakeRunner().observing().run(case)
        except RunnerCannot:
            return outcome, None
        # What does not end in the same way, for the same reason, is not the same script there.
        return outcome, seen.observed if _end(seen) == _end(outcome) else None

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


def _end(outcome: Outcome) -> tuple[int | None, str]:
    """The exit code, and the last line of what a failure says."""
    said = outcome.stderr if outcome.exit_code else ""
    return outcome.exit_code, said.rstrip().rpartition("\n")[2]


class _Known:
    """The runs that this process knows of a session."""

    def __init__(self, folder: Path, key: bytes) -> None:
        """None yet."""
        self._folder, self._key = folder, key
        self._read: set[str] = set()
        self._decisions: Decisions[Query, Run] = Decisions()

    def find(self, start: Hashable, case: Case) -> Run | None:
        """The run that answers for a case; None when there is none."""
        world = World(case)
        found = self._decisions.find(start, world.answer)
        if found is None and self._read_others():
            found = self._decisions.find(start, world.answer)
        return found

    def trace(self, start: Hashable, case: Case) -> Trace | None:
        """That run, and what it has asked."""
        world, queries = World(case), []

        def answer(query: Query) -> Hashable:
            queries.append(query)
            return world.answer(query)

        run = self._decisions.find(start, answer)
        return None if run is None else (run, tuple(queries))

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
        try:
            self._decisions.add(start, observed.queries, World(run.case).answer, run)
        except Contradiction:
            return False
        return True

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
