"""Every fatal error of the harness: what happened, where, what to do next, and its exit code.

The rest of the package raises these; only the command line turns them into an exit code.
"""

from __future__ import annotations

from enum import IntEnum


class Exit(IntEnum):
    """The exit codes of the `harness` command."""

    CONFORMS = 0
    FINDINGS = 1
    WRONG_USE = 2
    NO_RUNNER = 3
    INTERRUPTED = 130


class HarnessError(Exception):
    """The harness cannot go on, and says what to do about it.

    `what` tells what happened and where, `hint` what to do next.
    """

    exit_code = Exit.WRONG_USE

    def __init__(self, what: str, hint: str = "") -> None:
        """Keep both parts for the command line and for pickling between processes."""
        super().__init__(what, hint)
        self.what = what
        self.hint = hint

    def __str__(self) -> str:
        """Both parts, one after the other."""
        return f"{self.what}\n{self.hint}" if self.hint else self.what


class WrongUse(HarnessError):
    """The command line asks for something that is not there."""


class WrongContract(HarnessError):
    """A contract, or the suite beside it, cannot be used; names file, line and key."""


class RunnerUnavailable(HarnessError):
    """The runner cannot work on this machine: no Docker engine, no such image."""

    exit_code = Exit.NO_RUNNER


class WorkersFailed(HarnessError):
    """The workers that are to run the cases are not there, are not fit for it, or have died."""

    exit_code = Exit.NO_RUNNER


class RunnerCannot(HarnessError):
    """The script does something that this runner cannot judge, so that no verdict is given."""

    exit_code = Exit.NO_RUNNER
