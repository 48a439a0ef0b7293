"""What the runners of real worlds share: the task that an agent gets, and its answer."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from harness.cases.case import BARE_ENVIRONMENT, Case, Mount, Outcome
from harness.runners.inside import driver, tripwire
from harness.worlds.tree import Tree, is_under

# Memory is given out in pages; a small rest is filled up before the script starts.
_PAGE = 4096
_FILLED = 16 * _PAGE


@dataclass(frozen=True)
class Task:
    """What an agent gets: the job as JSON values, and the tree as a tar."""

    job: dict[str, Any]
    tree: bytes

    @classmethod
    def of(cls, case: Case, interrupt: str | None) -> Task:
        """The task of a case; `interrupt` is for the tripwire."""
        call = case.call
        job = {
            "script": case.script,
            "cwd": case.cwd,
            "relative": case.relative,
            "arguments": list(case.arguments),
            "defaults": dict(BARE_ENVIRONMENT),
            "variables": {**case.tree.environment, **case.variables},
            "call": None if call is None else driver.encode(call.function, call.arguments),
            "interrupt": interrupt,
            "timeout": case.timeout,
            "user": case.user,
            "umask": case.umask,
            "read_only": list(case.read_only),
            "writable": list(case.writable),
            "mounts": [[mount.path, mount_options(case, mount)] for mount in case.mounts],
            "full": [mount.path for mount in case.mounts if mount.size == 0],
        }
        return cls(job, case.tree.to_tar())


@lru_cache(maxsize=1)
def helpers() -> Mapping[str, bytes]:
    """The sources of what runs beside the script: file name → bytes."""
    modules = {"driver.py": driver, "tripwire.py": tripwire}
    return {name: Path(str(module.__file__)).read_bytes() for name, module in modules.items()}


def mount_options(case: Case, mount: Mount) -> str:
    """The options of the tmpfs that is a case's mount."""
    if mount.size is None:
        return "mode=755"
    if mount.size:
        return f"mode=755,size={mount.size}"
    there = [len(entry.data) for path, entry in case.tree if is_under(path, mount.path)]
    pages = sum(-(-size // _PAGE) for size in there)
    return f"mode=755,size={pages * _PAGE + _FILLED}"


@dataclass(frozen=True)
class Answer:
    """What the agent sent back.

    `ended` is its `outcome.json`, `tree` what is not as it was sent.
    """

    ended: dict[str, Any]
    stdout: str
    stderr: str
    tree: Tree

    @classmethod
    def from_tar(cls, data: bytes) -> Answer:
        """The answer that the agent's tar holds."""
        with tarfile.open(fileobj=io.BytesIO(data)) as answer:
            return cls(
                ended=json.loads(_read(answer, "outcome.json")),
                stdout=_read(answer, "stdout").decode("utf-8", "backslashreplace"),
                stderr=_read(answer, "stderr").decode("utf-8", "backslashreplace"),
                tree=Tree.from_tar(data, below="tree"),
            )


def run(case: Case, ask: Callable[[str | None], Answer]) -> Outcome:
    """The outcome of a case; `ask(interrupt)` sends its job to an agent in a fresh world.

    For a case that is interrupted there are two: a rehearsal finds out when.
    """
    if case.interrupt is None:
        return _outcome(case, ask(None))
    rehearsal = ask("rehearse")
    points = rehearsal.ended["points"]
    if points is None:
        return _outcome(case, rehearsal)
    begin, end = tripwire.window(points, case.interrupt.at)
    return _outcome(case, ask(f"{begin}:{end}:{int(case.interrupt.signal)}"))


def _outcome(case: Case, answer: Answer) -> Outcome:
    stdout, returned = driver.split(answer.stdout)
    kept = {path: case.tree.entries[path] for path in answer.ended["kept"]}
    return Outcome(
        exit_code=answer.ended["exit_code"],
        stdout=stdout,
        stderr=answer.stderr,
        seconds=answer.ended["seconds"],
        before=case.tree,
        after=Tree({**kept, **answer.tree.entries}),
        returned=returned,
    )


def _read(tar: tarfile.TarFile, name: str) -> bytes:
    stream = tar.extractfile(name)
    assert stream is not None
    return stream.read()
