"""The command `harness` in this process: most commands take less time than a process to start."""

from __future__ import annotations

import io
import subprocess
import sys
from pathlib import Path

import pytest

from harness import cli
from harness.runs import step

HARNESS = Path(sys.executable).with_name("harness")
Ended = subprocess.CompletedProcess[str]


def harness(*arguments: str, cwd: Path | None = None, answer: str = "") -> Ended:
    """What a command prints, and its exit code, as if a process of its own ran it.

    `answer` is what it reads from its standard input.
    """
    step.forget()
    streams = [io.TextIOWrapper(io.BytesIO(), "utf-8", write_through=True) for _ in range(2)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", [str(HARNESS), *arguments])
        patch.setattr(sys, "stdin", io.StringIO(answer))
        patch.setattr(sys, "stdout", streams[0])
        patch.setattr(sys, "stderr", streams[1])
        if cwd is not None:
            patch.chdir(cwd)
        code = cli.run()
    printed = [one.buffer.getvalue().decode() for one in streams]
    return Ended(arguments, code, *printed)
