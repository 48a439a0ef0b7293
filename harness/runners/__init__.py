"""Runners, which run the script of one case in its tree; imports `cases` and the layers below it.

A runner takes a `Case` and returns an `Outcome`. It is a small picklable value, so that a session
can send it to worker processes. A new runner is a module with such a value and one line in
`harness.runners.registry`.
"""

from __future__ import annotations

from typing import Protocol

from harness.cases.case import Case, Outcome


class Runner(Protocol):
    """Runs cases."""

    def __hash__(self) -> int:
        """Runners are values: results are cached by runner."""
        ...

    @property
    def name(self) -> str:
        """The name on the command line."""
        ...

    def prepare(self) -> None:
        """Set up, once, before the first case; raises `RunnerUnavailable` when that fails."""
        ...

    def run(self, case: Case) -> Outcome:
        """Run one case in the calling process; raises `RunnerCannot`."""
        ...

    def identity(self) -> object:
        """Everything that verdicts depend on beside the case and the harness; call `prepare` first.

        A value that `harness.files.digest` accepts: cached results are valid while it stays the
        same.
        """
        ...

    def for_this_process(self) -> Runner:
        """A copy for a process, on any machine, that prepares and closes it by itself."""
        ...

    def close(self) -> None:
        """Release every resource, once, after the last case."""
        ...
