"""Whether the cases of a step can be forked from a warm process, found out with its usual case.

The usual case is run once to see what its script imports, once cold and once warm. Both must have
done the same, apart from what differs between two cold runs too.
"""

from __future__ import annotations

import contextlib
import json
import re
import zlib
from collections.abc import Iterator, Mapping
from typing import Protocol, TypeVar, runtime_checkable

from harness.cases.case import Case, Outcome
from harness.runners.inside.imports import SCRATCH
from harness.runners.real import exchange
from harness.runners.real.warm import WarmFailed, WarmProcess, may_be_warm, respond
from harness.worlds.tree import Entry

# Dates, times and durations, and what is named by chance.
VARIABLE = re.compile(r"0x[0-9a-fA-F]+|[0-9a-f]{12,}|tmp\w{8}\b|\d+")
_GZIP = b"\x1f\x8b"


@runtime_checkable
class WarmRunner(Protocol):
    """A runner that can fork cases from warm processes, which import `modules`."""

    @property
    def modules(self) -> tuple[str, ...] | None:
        """The modules that are imported ahead; None when every case is started cold."""
        ...

    @property
    def name(self) -> str:
        """The name on the command line."""
        ...

    def prepare(self) -> None:
        """Set up, once, before the first case."""
        ...

    def identity(self) -> object:
        """Everything that verdicts depend on beside the case and the harness."""
        ...

    def for_this_process(self: R) -> R:
        """A copy for a process."""
        ...

    def run(self, case: Case) -> Outcome:
        """Run one case."""
        ...

    def start_warm(self, environment: Mapping[str, str]) -> WarmProcess:
        """A new warm process without any modules; raises `WarmFailed`."""
        ...

    def with_modules(self: R, modules: tuple[str, ...]) -> R:
        """The same runner with these modules imported ahead."""
        ...

    def close(self) -> None:
        """Release every resource."""
        ...


R = TypeVar("R", bound=WarmRunner)


def warmed(runner: R, usual: Case) -> tuple[R, str]:
    """The runner that starts the cases of a step warm, or the same and why it starts them cold."""
    if not may_be_warm(usual):
        return runner, "only scripts of Python that are started by their path can be forked"
    try:
        modules = _learn(runner, usual)
        warm = runner.with_modules(modules)
        difference = _difference(runner, warm, usual)
    except WarmFailed as error:
        return runner, str(error)
    if difference:
        warm.close()
        return runner, f"{difference} is another when the usual case is forked"
    return warm, ""


def _learn(runner: WarmRunner, usual: Case) -> tuple[str, ...]:
    """The modules that the script imports from outside its tree; raises `WarmFailed`."""
    task = exchange.Task.of(usual, None)
    folders = [path for path, entry in usual.tree if entry.kind == "directory"]
    environment = {**task.job["defaults"], **task.job["variables"]}
    with contextlib.closing(runner.start_warm(environment)) as process:
        process.load(())
        response = respond(process, usual, task, learn=folders)
        if response is None:
            raise WarmFailed("the script does not compile without a warning")
        modules, trouble = _learned(response)
        if trouble := trouble or process.load(modules):
            raise WarmFailed(trouble)
    return modules


def _learned(response: exchange.Response) -> tuple[tuple[str, ...], str]:
    """The modules that a script has imported, and why they must not be imported ahead."""
    try:
        learned = json.loads(response.outcome["learned"])
        modules, trouble = learned["modules"], learned["trouble"]
        if not all(isinstance(one, str) for one in (*modules, trouble)):
            raise TypeError
    except (KeyError, TypeError, ValueError, RecursionError):
        raise WarmFailed("the script does not end as Python does") from None
    return tuple(modules), trouble


def _difference(cold: WarmRunner, warm: WarmRunner, usual: Case) -> str:
    """What the usual case does in another way when it is started warm; "" for nothing.

    Raises `WarmFailed`.
    """
    expected = dict(_facts(cold.run(usual)))
    got = dict(_facts(warm.run(usual)))
    names = [one for one in {**expected, **got} if expected.get(one) != got.get(one)]
    if not names:
        return ""
    again = dict(_facts(cold.run(usual)))
    return next((one for one in names if expected.get(one) == again.get(one)), "")


def _facts(outcome: Outcome) -> Iterator[tuple[str, object]]:
    """What is compared of an outcome: its name, and its value."""
    yield "the exit code", outcome.exit_code
    yield "standard output", VARIABLE.sub("0", outcome.stdout)
    yield "standard error", VARIABLE.sub("0", outcome.stderr)
    yield "what is returned", outcome.returned
    if outcome.after is not None:
        for path, entry in outcome.after:
            # Of a temporary folder itself only the date can differ: imports make files there.
            if path in SCRATCH:
                continue
            yield path, _entry_facts(entry)


def _entry_facts(entry: Entry) -> tuple[object, ...]:
    data = entry.data
    if data.startswith(_GZIP):
        with contextlib.suppress(zlib.error):
            data = zlib.decompress(data, wbits=31)
    return entry.kind, entry.mode, entry.uid, entry.gid, entry.target, data
