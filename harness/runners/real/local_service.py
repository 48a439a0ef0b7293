"""The process of the SDK that serves the local-mode runner, one in each process of the harness.

It runs `harness.runners.inside.sdk_service` in an environment of its own, found by
HARNESS_SDK_PYTHON or made by `harness sdk setup`.
"""

from __future__ import annotations

import atexit
import contextlib
import json
import os
import select
import signal
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.errors import RunnerCannot, RunnerUnavailable
from harness.runners.inside import sdk_service

# Where `harness sdk setup` makes the environment of the SDK.
ENVIRONMENT = Path(".cache") / "harness" / "sdk"
_services: list[LocalService] = []


def sdk_python() -> str:
    """The Python of the SDK; raises `RunnerUnavailable` when there is none."""
    named = os.environ.get("HARNESS_SDK_PYTHON")
    path = Path(named) if named else ENVIRONMENT / "bin" / "python"
    if not path.is_file() or not os.access(path, os.X_OK):
        what = f"HARNESS_SDK_PYTHON names {named}, which is no program" if named else ""
        raise RunnerUnavailable(
            what or "there is no SageMaker SDK for the local-mode runner",
            "make its environment with `harness sdk setup`, or name one by HARNESS_SDK_PYTHON",
        )
    return str(path.absolute())


@dataclass(frozen=True)
class LocalService:
    """A process of the SDK, in a session of its own: Ctrl-C does not reach it."""

    python: str
    process: subprocess.Popen[str]

    @staticmethod
    def start() -> LocalService:
        """Start one, which has yet to import the SDK."""
        python = sdk_python()
        # A docker-compose may have come with the SDK.
        path = f"{Path(python).parent}{os.pathsep}{os.environ.get('PATH', '')}"
        return LocalService(
            python,
            subprocess.Popen(
                [python, str(sdk_service.__file__)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                text=True,
                env={**os.environ, "PATH": path},
                start_new_session=True,
            ),
        )

    def wait_until_ready(self) -> None:
        """Wait until the SDK is imported; raises `RunnerUnavailable` when it cannot be."""
        assert self.process.stdout is not None
        if self.process.stdout.readline().strip() != '"ready"':
            trial = f"{self.python} -c 'from sagemaker.local import LocalSession'"
            raise RunnerUnavailable(
                f"the SageMaker SDK of {self.python} does not start",
                f"try {trial}; it must be version 2",
            )

    def ask(self, asked: Mapping[str, Any]) -> None:
        """Ask for a job; raises `RunnerCannot` when the process has ended."""
        assert self.process.stdin is not None
        try:
            self.process.stdin.write(json.dumps(asked) + "\n")
            self.process.stdin.flush()
        except BrokenPipeError:
            raise _ended() from None

    def has_answered(self, seconds: float) -> bool:
        """Whether there is an answer within so many seconds."""
        assert self.process.stdout is not None
        return bool(select.select([self.process.stdout], [], [], max(seconds, 0))[0])

    def answer(self, seconds: float) -> str | None:
        """The answer, "" when the job has ended well; None when there is none in this time.

        Raises `RunnerCannot` when the process has ended.
        """
        if not self.has_answered(seconds):
            return None
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            raise _ended()
        answer: str = json.loads(line)
        return answer


def _ended() -> RunnerCannot:
    return RunnerCannot("the process of the SDK has ended", "run it again")


def of_this_process() -> LocalService:
    """The SDK's process of this one, which is started if there is none.

    Raises `RunnerUnavailable`.
    """
    if not _services:
        # It is known before it is waited for, so that a stop ends it.
        _services.append(LocalService.start())
        _services[0].wait_until_ready()
    return _services[0]


def kill_all() -> None:
    """Kill what has been started, with all that it has started itself."""
    while _services:
        process = _services.pop().process
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


def end_all() -> None:
    """End what has been started, after its job."""
    while _services:
        # Its input ends, and so does it.
        _services.pop().process.communicate()


atexit.register(end_all)
