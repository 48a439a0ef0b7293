"""What both runners of real processes share: the task for the agent, and its response."""

from __future__ import annotations

import io
import json
import math
import tarfile
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from harness.cases.case import BASE_ENVIRONMENT, Case, Mount, Outcome
from harness.cases.fault import NO_SUCH_OPERATION, Fault, Operation
from harness.cases.observed import Observations, Query
from harness.errors import RunnerCannot
from harness.runners.inside import agent, driver
from harness.runners.inside.watch import SCRATCH
from harness.worlds.tree import Entry, Tree, is_under

# The folders in which Python keeps bytecode.
_BYTECODE = "__pycache__"
# A tmpfs allocates whole pages; the agent fills the spare ones before the script starts.
_PAGE_SIZE = 4096
_SPARE_SIZE = 16 * _PAGE_SIZE
_TOO_MUCH = "the script leaves more than can be looked at: {}"
_LISTED = (
    "the script looks through {}, where it sees the Python that runs it: name one that is "
    "installed elsewhere with HARNESS_PYTHON, or use --runner container"
)


@dataclass(frozen=True)
class Task:
    """What is sent to an agent: the job as JSON values, and the tree as a tar."""

    job: dict[str, Any]
    tree: bytes

    @classmethod
    def of(cls, case: Case, interrupt: dict[str, Any] | None, *, is_recorded: bool = False) -> Task:
        """The task of a case; `interrupt` is the plan of a `watch`, None for a run without one.

        What the script looks at is told where it `is_recorded`.
        """
        call = case.call
        job = {
            "script": case.script,
            "cwd": case.cwd,
            "started_as": case.started_as,
            "module": case.module,
            "direct": case.interpreter,
            "arguments": list(case.arguments),
            "defaults": dict(BASE_ENVIRONMENT),
            "variables": {**case.tree.environment, **case.variables},
            "call": None if call is None else driver.encode_call(call.function, call.arguments),
            "interrupt": interrupt,
            "record": is_recorded,
            "fault": None if case.fault is None else _plan(case.fault, case.tree),
            "timeout": case.timeout,
            "user": case.user,
            "umask": case.umask,
            "read_only": list(case.read_only),
            "writable": list(case.writable),
            "mounts": [[mount.path, mount_options(case, mount)] for mount in case.mounts],
            "full": [mount.path for mount in case.mounts if mount.size == 0],
        }
        # In memory, a folder lists its entries in the order in which they were created, or back.
        return cls(job, case.tree.to_tar(reverse=case.reversed_listing))


def _plan(fault: Fault, tree: Tree) -> dict[str, Any]:
    """The plan of a supervisor."""
    known = {path for path, _ in tree if any(is_under(path, one) for one in fault.folders)}
    known |= {one for path in (*known, *fault.folders) for one in _parents(path)}
    return {**asdict(fault), "known": sorted(known), "error": fault.error}


def _parents(path: str) -> list[str]:
    """A path, and the folders that it is in."""
    parts = path.split("/")
    return ["/".join(parts[:number]) for number in range(2, len(parts) + 1)]


@lru_cache(maxsize=1)
def helpers() -> Mapping[str, bytes]:
    """The programs that run the script in an agent: file name → source."""
    return {"driver.py": Path(str(driver.__file__)).read_bytes()}


def program_of(case: Case) -> tuple[str, str, bytes]:
    """The program that Python runs, the script or what calls it: working folder, path, source."""
    if case.call is not None:
        return case.cwd, f"{agent.HELPER_FOLDER}/driver.py", helpers()["driver.py"]
    source = case.tree.entries[case.script].data
    return case.cwd, case.started_as, source


def mount_options(case: Case, mount: Mount) -> str:
    """The options for the tmpfs of a mount."""
    if mount.size is None:
        return "mode=755"
    if mount.size:
        return f"mode=755,size={mount.size}"
    sizes = [len(entry.data) for path, entry in case.tree if is_under(path, mount.path)]
    pages = sum(-(-size // _PAGE_SIZE) for size in sizes)
    return f"mode=755,size={pages * _PAGE_SIZE + _SPARE_SIZE}"


@dataclass(frozen=True)
class Response:
    """The response of an agent.

    `outcome` is its `outcome.json`, `tree` the entries that differ from those sent.
    """

    outcome: dict[str, Any]
    stdout: str
    stderr: str
    tree: Tree

    @classmethod
    def from_tar(cls, data: bytes, case: Case) -> Response:
        """The response in the tar that the agent has sent; raises `RunnerCannot` if it is none."""
        try:
            with tarfile.open(fileobj=io.BytesIO(data)) as response:
                return cls(
                    outcome=_checked(json.loads(_read(response, "outcome.json")), case),
                    stdout=_read(response, "stdout").decode("utf-8", "backslashreplace"),
                    stderr=_read(response, "stderr").decode("utf-8", "backslashreplace"),
                    tree=Tree.from_tar(data, below="tree"),
                )
        except (tarfile.TarError, ValueError, KeyError, TypeError, RecursionError) as error:
            raise RunnerCannot(
                f"the answer for case {case.id!r} is not what an agent sends: {error}",
                "run it again; if it happens every time, the script may have written it",
            ) from None


def _checked(outcome: Any, case: Case) -> dict[str, Any]:
    """The outcome, if its values are of the kinds that an agent sends; raises `ValueError`."""
    if not isinstance(outcome, dict):
        raise ValueError("its outcome is no object")
    code, seconds, unchanged = outcome["exit_code"], outcome["seconds"], outcome["unchanged"]
    if not (code is None or (isinstance(code, int) and 0 <= code < 256)):
        raise ValueError("its exit code is none")
    if not (isinstance(seconds, (int, float)) and 0 <= seconds < math.inf):
        raise ValueError("its seconds are none")
    if outcome.get("listed") not in ("", None, *SCRATCH):
        raise ValueError("it names a folder that is not temporary")
    if not all(path in case.tree.entries for path in unchanged):
        raise ValueError("it names a path that was not sent")
    return outcome


def outcome_of(case: Case, response: Response) -> Outcome:
    """The outcome of a case, from the response of its agent."""
    too_much, listed = response.outcome.get("too_much"), response.outcome.get("listed")
    unproven = _TOO_MUCH.format(too_much) if too_much else _LISTED.format(listed) if listed else ""
    unchanged = {path: case.tree.entries[path] for path in response.outcome["unchanged"]}
    outcome = Outcome(
        exit_code=response.outcome["exit_code"],
        stdout=response.stdout,
        stderr=response.stderr,
        seconds=response.outcome["seconds"],
        before=case.tree,
        after=Tree(without_bytecode(case.tree, {**unchanged, **response.tree.entries})),
        returned=response.outcome.get("returned"),
        unproven=unproven,
    )
    told = response.outcome.get("observed")
    if told is not None:
        outcome = replace(outcome, observed=_observations(told, case.tree))
    return _with_operations(outcome, case, response.outcome.get("faults"))


def _observations(told: Mapping[str, Any], tree: Tree) -> Observations:
    """What the agent has recorded, with all variables, whose use no system call shows.

    Who lists a folder, or asks for its size, is told the kinds of what is in it.
    """
    found: dict[Query, None] = {("environment", ""): None}
    for kind, path in told["queries"]:
        found[kind, path] = None
        if kind == "list":
            found.update((("stat", one), None) for one in _listed(path, tree))
    return Observations(tuple(found), str(told["hidden"]))


def _listed(folder: str, tree: Tree) -> list[str]:
    """The paths in a folder of a tree."""
    return sorted(path for path in tree.entries if path.rpartition("/")[0] == folder.rstrip("/"))


def _with_operations(outcome: Outcome, case: Case, seen: Any) -> Outcome:
    """The outcome of a run with a fault, which is not proven where its operation did not come."""
    if case.fault is None or outcome.unproven or seen is None:
        return outcome
    if seen["lacking"]:
        return replace(outcome, unproven=str(seen["lacking"]))
    if case.fault.effect and not seen["struck"]:
        return replace(outcome, unproven=NO_SUCH_OPERATION, must_be_proven=False)
    told = (Operation(str(a), str(b), int(c), bool(d)) for a, b, c, d in seen["operations"])
    return replace(outcome, operations=tuple(told))


def without_bytecode(before: Tree, after: Mapping[str, Entry]) -> Mapping[str, Entry]:
    """The entries without the bytecode that Pythons started by the script have written.

    The folders that hold nothing else that is new have their old dates.
    """
    written = {
        path for path in after if _BYTECODE in path.split("/") and path not in before.entries
    }
    if not written:
        return after
    kept = {path: entry for path, entry in after.items() if path not in written}
    folders = {path.partition(f"/{_BYTECODE}")[0] for path in written}
    for folder in folders & kept.keys() & before.entries.keys():
        if _names_in(folder, kept) == _names_in(folder, before.entries):
            kept[folder] = replace(kept[folder], mtime=before.entries[folder].mtime)
    return kept


def _names_in(folder: str, entries: Iterable[str]) -> set[str]:
    return {path for path in entries if path.rpartition("/")[0] == folder}


def _read(tar: tarfile.TarFile, name: str) -> bytes:
    stream = tar.extractfile(name)
    if stream is None:
        raise ValueError(f"{name} is no file")
    return stream.read()
