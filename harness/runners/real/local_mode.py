"""The local-mode runner: cases as jobs of the real SageMaker SDK's local mode, as a last smoke.

The jobs are given to the SDK's local client with folders of this machine in place of S3: no
account, no upload. What no job can express is not proven, with the reason. The SDK runs in an
environment of its own, found by HARNESS_SDK_PYTHON or made by `harness sdk setup`.
"""

from __future__ import annotations

import contextlib
import gzip
import io
import re
import tarfile
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from harness.cases.case import Case, Outcome
from harness.errors import RunnerCannot
from harness.runners.real import engine, jobs_of_cases, local_service
from harness.runners.real.exchange import without_bytecode
from harness.runners.real.jobs_of_cases import LocalJob
from harness.runners.real.local_service import LocalService
from harness.worlds.tree import Entry, Tree, is_under

if TYPE_CHECKING:
    from docker.models.containers import Container

_WORKING_FOLDER = "com.docker.compose.project.working_dir"
_ADDED = 1
_ARCHIVES = {"model.tar.gz": "/opt/ml/model", "output.tar.gz": "/opt/ml/output"}
# The time that the SDK may take to start a container, and after it has ended.
_GRACE_SECONDS = 120.0


@dataclass(frozen=True)
class LocalModeRunner:
    """Runs cases as jobs of local mode, in containers of `image`."""

    image: str
    name: str = "local-mode"

    def prepare(self) -> None:
        """Find the engine, the image and the SDK; raises `RunnerUnavailable`."""
        with engine.connected() as client:
            engine.ensure_image(client, self.image)
        local_service.sdk_python()

    def run(self, case: Case) -> Outcome:
        """Run one case; raises `RunnerCannot`, and `RunnerUnavailable` without an SDK."""
        reason = jobs_of_cases.reason_against(case)
        if reason:
            return Outcome(
                0, "", "", 0.0, case.tree, None, unproven=f"no job: {reason}", must_be_proven=False
            )
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
            top = Path(folder).resolve()
            job = jobs_of_cases.job_of(case, self.image, top)
            try:
                return _run(case, job, top)
            except BaseException:
                # What it has started must not go on.
                local_service.kill_all()
                raise
            finally:
                with _containers(top) as containers:
                    for one in containers:
                        engine.remove(one)

    def identity(self) -> object:
        """The image, and the SDK's environment."""
        with engine.connected() as client:
            return self.name, local_service.sdk_python(), *engine.describe(client, self.image)

    def for_this_process(self) -> LocalModeRunner:
        """The same in every process, each of which has an SDK of its own."""
        return self

    def close(self) -> None:
        """End the SDK's process."""
        local_service.end_all()


def _run(case: Case, job: LocalJob, top: Path) -> Outcome:
    service = local_service.of_this_process()
    service.ask({"container_root": str(job.root), **job.asked})
    said = service.answer(case.timeout)
    in_time = said is not None or _ends_in_time(case, service, top)
    if said is None:
        said = service.answer(_GRACE_SECONDS)
    with _containers(top) as containers:
        if said is None or not containers:
            raise RunnerCannot(
                f"the SDK has run no container to its end for case {case.id!r}: "
                f"{said or 'it says nothing'}",
                "look at what it says, and at `docker ps --all`",
            )
        return _outcome(case, job, containers[0], said, in_time=in_time)


def _ends_in_time(case: Case, service: LocalService, top: Path) -> bool:
    """Whether the container ends within the time of the case, after which it is killed.

    The time counts from its start: the SDK takes some of its own before.
    """
    deadline = time.monotonic() + _GRACE_SECONDS
    while time.monotonic() < deadline:
        with _containers(top) as containers:
            running = [one for one in containers if one.status == "running"]
            left = [case.timeout - time.time() + _seconds(one, "StartedAt") for one in running]
            if left and min(left) <= 0:
                for one in running:
                    with contextlib.suppress(*engine.failures()):
                        one.kill()
                return False
        if service.has_answered(min([1.0, *left])):
            break
    return True


@contextlib.contextmanager
def _containers(top: Path) -> Iterator[list[Container]]:
    """The containers of the job whose files are below a folder, while they can be used."""
    with engine.connected() as client:
        yield [
            one
            # Other workers remove theirs meanwhile.
            for one in client.containers.list(
                all=True, filters={"label": _WORKING_FOLDER}, ignore_removed=True
            )
            if one.labels[_WORKING_FOLDER].startswith(f"{top}/")
        ]


def _seconds(container: Container, moment: str) -> float:
    """When a container has started or ended, in seconds since 1970."""
    whole, _, fraction = str(container.attrs["State"][moment]).rstrip("Z").partition(".")
    return datetime.fromisoformat(f"{whole}+00:00").timestamp() + float(f"0.{fraction or 0}")


def _outcome(
    case: Case, job: LocalJob, container: Container, said: str, *, in_time: bool
) -> Outcome:
    """What a job has done: its exit code, its log, and what it has left."""
    container.reload()
    log = container.logs().decode("utf-8", "backslashreplace").replace("\r\n", "\n")
    mounts = [one["Destination"] for one in container.attrs["Mounts"]]
    after = dict(case.tree.entries)
    for at, folder in job.folders.items():
        after = {path: one for path, one in after.items() if not is_under(path, at)}
        after.update(_read(folder, at, case.tree))
    for archive, at in _ARCHIVES.items():
        for packed in job.collected.rglob(archive):
            after.update(_unpacked(gzip.decompress(packed.read_bytes()), at))
    for change in container.diff() or ():
        path = str(change["Path"])
        mounted = any(is_under(path, one) or is_under(one, path) for one in mounts)
        if change["Kind"] == _ADDED and path not in after and not mounted:
            data = b"".join(container.get_archive(path)[0])
            after.update(_unpacked(data, str(PurePosixPath(path).parent)))
    code = int(container.attrs["State"]["ExitCode"])
    unproven = f"the SDK failed after the script: {_said(said, job)}" if said and code == 0 else ""
    # Both streams of the container are one.
    tree = Tree(without_bytecode(case.tree, after), case.tree.job, case.tree.request)
    return Outcome(
        code if in_time else None,
        "",
        log,
        _seconds(container, "FinishedAt") - _seconds(container, "StartedAt"),
        case.tree,
        tree,
        unproven=unproven,
    )


def _said(text: str, job: LocalJob) -> str:
    """What the SDK says, without names that each job has for itself."""
    return re.sub(rf"{re.escape(str(job.root))}/\w+|{re.escape(str(job.root.parent))}", "", text)


def _read(folder: Path, at: str, before: Tree) -> Iterator[tuple[str, Entry]]:
    """What is in a mounted folder; the owner of what was put there is that of the case."""
    if not folder.is_dir():
        return
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        archive.add(folder, at)
    for path, entry in Tree.from_tar(packed.getvalue()):
        old = before.get(path)
        yield path, replace(entry, uid=old.uid, gid=old.gid) if old else entry


def _unpacked(data: bytes, at: str) -> Iterator[tuple[str, Entry]]:
    """The members of a tar below a path."""
    for path, entry in Tree.from_tar(data):
        yield f"{at.rstrip('/')}{path}", entry
