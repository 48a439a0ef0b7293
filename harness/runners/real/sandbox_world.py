"""The inside of a sandbox: its namespaces, its root file system in memory, and the agent.

A forked process becomes the first process of new namespaces: it sees only processes that it starts,
has no network, and its root is a file system in memory in which the programs of this machine are
mounted read-only. When it or its parent ends, all processes in the namespaces are killed. Nothing
on this machine can be changed from inside.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
from typing import NoReturn

from harness.cases.case import Case
from harness.runners.inside import agent, mounts, world
from harness.runners.inside.root import HOST_NAME, SHARED, Root
from harness.runners.real import exchange

_CAP_MKNOD, _CAP_SYS_ADMIN = 27, 21
# Those that root has in a sandbox: device nodes would give access to this machine.
CAPABILITIES = tuple(one for one in mounts.CONTAINER_CAPABILITIES if one != _CAP_MKNOD)

_COPIED_ETC_FILES = (
    *("/etc/ld.so.cache", "/etc/ld.so.conf", "/etc/nsswitch.conf", "/etc/host.conf"),
    *("/etc/os-release", "/etc/debian_version", "/etc/mime.types", "/etc/protocols"),
    *("/etc/services", "/etc/ssl/openssl.cnf"),
)
_ETC_FILES = {
    "/etc/passwd": "root:x:0:0:root:/root:/bin/sh\n"
    "nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n",
    "/etc/group": "root:x:0:\nnogroup:x:65534:\n",
    "/etc/hosts": "127.0.0.1\tlocalhost\n",
    "/etc/hostname": f"{HOST_NAME}\n",
    "/etc/resolv.conf": "",
}
# The files of /etc that a sandbox has.
ETC_FILES = (*_COPIED_ETC_FILES, *_ETC_FILES)


@dataclass(frozen=True)
class Interpreter:
    """A Python: its executable, and its folders, which are read-only in the sandbox."""

    python: str
    folders: tuple[str, ...]


def run_case(
    task: exchange.Task, interpreter: Interpreter, response_fd: int, is_privileged: bool
) -> NoReturn:
    """Build the sandbox of a task, run it, write the response to `response_fd`, and exit.

    Called in a forked process. Without privileges the calling user is mapped to root in a user
    namespace.
    """
    inside = root_of(interpreter)
    enter(is_privileged)
    inside.build(task.job["mounts"])
    # More rights would give access to its mounts, even in the user namespace of an ordinary user.
    mounts.limit_capabilities(CAPABILITIES)
    data = agent.run_task(
        task.job,
        task.tree,
        exchange.helpers(),
        python=interpreter.python,
        hidden=inside.hidden,
        set_user=None if is_privileged else _map_user,
    )
    with open(response_fd, "wb") as stream:
        stream.write(data)
    os._exit(0)


def privileged() -> bool:
    """Whether this process runs as root and may mount."""
    lines = Path("/proc/self/status").read_text().splitlines()
    (effective,) = (line.split()[1] for line in lines if line.startswith("CapEff:"))
    return os.geteuid() == 0 and bool(int(effective, 16) >> _CAP_SYS_ADMIN & 1)


def enter(is_privileged: bool) -> None:
    """Return in the first process of new namespaces, as `world.enter_namespaces` does."""
    if is_privileged:
        world.enter_namespaces(partial(mounts.call_libc, "unshare", world.ALL_NAMESPACES))
    else:
        world.enter_namespaces(partial(_map_user, 0, world.ALL_NAMESPACES))


def _map_user(user: int, namespaces: int = 0) -> None:
    """Enter a new user namespace that maps the current user to the number `user`."""
    uid, gid = os.geteuid(), os.getegid()
    mounts.call_libc("unshare", world.NEW_USERS | namespaces)
    process = Path("/proc/self")
    (process / "setgroups").write_text("deny")
    (process / "uid_map").write_text(f"{user} {uid} 1")
    (process / "gid_map").write_text(f"{user} {gid} 1")


@lru_cache(maxsize=4)
def root_of(interpreter: Interpreter) -> Root:
    """The root file system for an interpreter; called before the fork, its files are read once."""
    files = dict(_ETC_FILES)
    for path in _COPIED_ETC_FILES:
        with contextlib.suppress(OSError):
            files[path] = Path(path).read_bytes().decode("latin-1")
    return Root(interpreter.folders, files)


def unshared_folders(prefixes: Iterable[str]) -> tuple[str, ...]:
    """The folders of an interpreter that are not in `SHARED`, each with its resolved path."""
    names = sorted({*prefixes, *map(os.path.realpath, prefixes)})
    found: list[str] = []
    for name in names:
        if not any(mounts.is_under(name, one) for one in (*SHARED, *found)):
            found.append(name)
    return tuple(found)


def conflicting_path(case: Case, folders: Sequence[str]) -> str | None:
    """A path of the case in a folder of the interpreter, or in place of a parent of one."""
    for path, entry in case.tree:
        for folder in folders:
            below = mounts.is_under(path, folder)
            if below or (entry.kind != "directory" and mounts.is_under(folder, path)):
                return path
    return None
