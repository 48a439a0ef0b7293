"""The inside of a sandbox: namespaces of its own, a root folder in memory, the agent in it.

A forked process becomes the first of a world: it sees only processes that it starts, has no
network, and its root is an empty file system in memory in which the programs of this machine are
shown, read-only. When it ends, or whoever waits for it, everything in that world ends with it.
Nothing of this machine can be changed from inside.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import socket
import struct
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
from typing import NoReturn

from harness.cases.case import Case
from harness.runners.inside import agent, mounts, world
from harness.runners.inside.mounts import MS_PRIVATE, MS_RDONLY, MS_REC
from harness.runners.real import exchange

_MAKE_NODES = 27

_OLD = "/.old"
# The programs of this machine: everything that an interpreter may need beside its own folders.
SHARED = (
    *("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/nix", "/gnu"),
    *("/etc/alternatives", "/etc/ld.so.conf.d", "/etc/fonts"),
    *("/etc/ssl/certs", "/etc/pki/ca-trust", "/etc/pki/tls/certs"),
)
# What any Linux image has.
_FOLDERS = {
    **dict.fromkeys(("/dev", "/etc", "/home", "/media", "/mnt", "/opt", "/proc", "/run"), 0o755),
    **dict.fromkeys(("/run/lock", "/srv", "/sys", "/var", "/var/cache", "/var/lib"), 0o755),
    **dict.fromkeys(("/var/log", "/var/opt", "/var/spool"), 0o755),
    **{"/root": 0o700, "/tmp": 0o1777, "/var/tmp": 0o1777},
}
_LINKS = {"/var/run": "/run", "/var/lock": "/run/lock"}
_COPIED = (
    *("/etc/ld.so.cache", "/etc/ld.so.conf", "/etc/nsswitch.conf", "/etc/host.conf"),
    *("/etc/os-release", "/etc/debian_version", "/etc/mime.types", "/etc/protocols"),
    *("/etc/services", "/etc/ssl/openssl.cnf"),
)
_NAME = "sandbox"
_FILES = {
    "/etc/passwd": "root:x:0:0:root:/root:/bin/sh\n"
    "nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n",
    "/etc/group": "root:x:0:\nnogroup:x:65534:\n",
    "/etc/hosts": "127.0.0.1\tlocalhost\n",
    "/etc/hostname": f"{_NAME}\n",
    "/etc/resolv.conf": "",
}


@dataclass(frozen=True)
class Interpreter:
    """A Python: how it is started, and the folders that it lives in, read-only in the sandbox."""

    python: str
    folders: tuple[str, ...]


def run_case(
    task: exchange.Task, interpreter: Interpreter, answer: int, privileged: bool
) -> NoReturn:
    """Make the task's world, do the task in it, write the answer to the file `answer`, and end.

    Called in a forked process, which never returns. Without privileges root is a name for whoever
    calls this, in a user namespace.
    """
    if privileged:
        world.enter(partial(mounts.call, "unshare", world.ALL_NAMESPACES))
    else:
        world.enter(partial(_rename_user, 0, world.ALL_NAMESPACES))
    _build(task, interpreter)
    if privileged:
        # Nodes of devices would lead out of the world.
        capabilities = [one for one in mounts.CONTAINER_CAPABILITIES if one != _MAKE_NODES]
        mounts.limit_capabilities(capabilities)
    data = agent.perform(
        task.job,
        task.tree,
        exchange.helpers(),
        python=interpreter.python,
        hidden=(*SHARED, *interpreter.folders),
        become=None if privileged else _rename_user,
    )
    with open(answer, "wb") as stream:
        stream.write(data)
    os._exit(0)


def _rename_user(user: int, namespaces: int = 0) -> None:
    """Enter a user namespace in which whoever this is bears the number `user`."""
    uid, gid = os.geteuid(), os.getegid()
    mounts.call("unshare", world.NEW_USERS | namespaces)
    process = Path("/proc/self")
    (process / "setgroups").write_text("deny")
    (process / "uid_map").write_text(f"{user} {uid} 1")
    (process / "gid_map").write_text(f"{user} {gid} 1")


def _build(task: exchange.Task, interpreter: Interpreter) -> None:
    os.umask(0o022)
    mounts.mount("", "/", flags=MS_REC | MS_PRIVATE)
    # Any folder will do: it is covered in this process alone.
    mounts.mount("tmpfs", "/tmp", "tmpfs", options="mode=755")
    os.mkdir("/tmp" + _OLD)
    mounts.call("pivot_root", "/tmp", "/tmp" + _OLD)
    os.chdir("/")
    for path, mode in _FOLDERS.items():
        os.mkdir(path)
        os.chmod(path, mode)
    for path, target in _LINKS.items():
        os.symlink(target, path)
    mounts.mount("proc", "/proc", "proc", world.QUIET)
    _show(SHARED)
    _make_etc()
    world.make_devices("", _OLD)
    _cut_off()
    _show(interpreter.folders)
    mounts.forbid_writing((*SHARED, *interpreter.folders, *world.settings()))
    world.mount_folders(task.job["mounts"])
    mounts.call("umount2", _OLD, mounts.MNT_DETACH)
    os.rmdir(_OLD)


def _show(folders: Iterable[str]) -> None:
    """Show folders of this machine at their own places, read-only."""
    for folder in folders:
        there = _OLD + folder
        if os.path.islink(there):
            os.makedirs(os.path.dirname(folder), exist_ok=True)
            os.symlink(os.readlink(there), folder)
        elif os.path.isdir(there):
            os.makedirs(folder, exist_ok=True)
            mounts.bind(there, folder)


@lru_cache(maxsize=1)
def etc_files() -> Mapping[str, bytes]:
    """The files of /etc; asked for before the fork, they are read once for all worlds."""
    files = {path: text.encode() for path, text in _FILES.items()}
    for path in _COPIED:
        with contextlib.suppress(OSError):
            files[path] = Path(path).read_bytes()
    return files


def _make_etc() -> None:
    os.makedirs("/etc/ssl", exist_ok=True)
    for path, data in etc_files().items():
        with open(path, "wb") as stream:
            stream.write(data)


def _cut_off() -> None:
    """No network, and no way to the settings of this machine."""
    with contextlib.suppress(OSError):
        mounts.mount("sysfs", "/sys", "sysfs", world.QUIET | MS_RDONLY)
    socket.sethostname(_NAME)
    with contextlib.suppress(OSError):
        Path("/proc/sys/net/ipv6/conf/all/disable_ipv6").write_text("1")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
        set_flags, up = 0x8914, 0x1
        fcntl.ioctl(one, set_flags, struct.pack("16sH14x", b"lo", up))
    for path in world.settings():
        mounts.bind(path, path)


def own_folders(prefixes: Iterable[str]) -> tuple[str, ...]:
    """The folders of an interpreter that are not shared anyway, each by all of its names."""
    names = sorted({*prefixes, *map(os.path.realpath, prefixes)})
    found: list[str] = []
    for name in names:
        if not any(mounts.is_under(name, one) for one in (*SHARED, *found)):
            found.append(name)
    return tuple(found)


def in_the_way(case: Case, folders: Sequence[str]) -> str | None:
    """A path of the case that lies where an interpreter is shown, or blocks the way to it."""
    for path, entry in case.tree:
        for folder in folders:
            below = mounts.is_under(path, folder)
            if below or (entry.kind != "directory" and mounts.is_under(folder, path)):
                return path
    return None
