"""The errors of the harness, each with a message, a hint and an exit code.

The rest of the package raises them; only the command line exits.
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
    """An error that ends the command.

    `what` says what happened and where, `hint` what to do next.
    """

    exit_code = Exit.WRONG_USE

    def __init__(self, what: str, hint: str = "") -> None:
        """Store both parts, also in `args`, so that the error can be pickled."""
        super().__init__(what, hint)
        self.what = what
        self.hint = hint

    def __str__(self) -> str:
        """Both parts, one after the other."""
        return f"{self.what}\n{self.hint}" if self.hint else self.what


class WrongUse(HarnessError):
    """The command line is wrong, or names something that does not exist."""


class WrongContract(HarnessError):
    """A contract or its suite cannot be used; the message names file, line and key."""


class BrokenEdge(HarnessError):
    """A step of a pipeline does not write what another one, which reads it, asks for."""

    exit_code = Exit.FINDINGS


class RunnerUnavailable(HarnessError):
    """The runner does not work on this machine: no Docker engine, no such image."""

    exit_code = Exit.NO_RUNNER


class WorkersFailed(HarnessError):
    """The workers cannot be reached, cannot run the cases, or have died."""

    exit_code = Exit.NO_RUNNER


class RunnerCannot(HarnessError):
    """The script does something that this runner cannot judge, so that there is no verdict."""

    exit_code = Exit.NO_RUNNER
