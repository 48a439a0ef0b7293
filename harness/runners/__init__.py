"""Runners: each takes a case's tree in, runs the script in it, and gives the tree back out.

A runner is a small picklable value, so that a session can send it to worker processes. A new one
is a module with such a value and one line in `harness.runners.registry`.
"""

from __future__ import annotations

from typing import Protocol

from harness.cases.case import Case, Outcome


class Runner(Protocol):
    """Something that can run a case."""

    def __hash__(self) -> int:
        """Runners are values: what one did in a case can be remembered."""
        ...

    @property
    def name(self) -> str:
        """The name on the command line."""
        ...

    def prepare(self) -> None:
        """Get ready, once, before the first case; raises `RunnerUnavailable` when that fails."""
        ...

    def run(self, case: Case) -> Outcome:
        """Run one case, in whichever process this is called; raises `RunnerCannot`."""
        ...

    def identity(self) -> object:
        """All that verdicts depend on beside the case and the harness, once this is ready.

        A value that `harness.files.digest` takes: the same means that what was found need not
        be looked for again.
        """
        ...

    def here(self) -> Runner:
        """The same runner for a process that prepares and closes it by itself, on any machine."""
        ...

    def close(self) -> None:
        """Leave nothing behind, once, after the last case."""
        ...
