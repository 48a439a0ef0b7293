"""The inside of a sandbox: its namespaces, its root file system in memory, and the agent.

A forked process becomes the first process of new namespaces: it sees only processes that it starts,
has no network, and its root is a file system in memory in which the programs of this machine are
mounted read-only. When it or its parent ends, all processes in the namespaces are killed. Nothing
on this machine can be changed from inside.
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

_CAP_MKNOD = 27

_OLD_ROOT = "/.old"
# The folders of this machine that an interpreter may need in addition to its own.
SHARED = (
    *("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/nix", "/gnu"),
    *("/etc/alternatives", "/etc/ld.so.conf.d", "/etc/fonts"),
    *("/etc/ssl/certs", "/etc/pki/ca-trust", "/etc/pki/tls/certs"),
)
# The folders of a usual Linux image: path → mode.
_FOLDERS = {
    **dict.fromkeys(("/dev", "/etc", "/home", "/media", "/mnt", "/opt", "/proc", "/run"), 0o755),
    **dict.fromkeys(("/run/lock", "/srv", "/sys", "/var", "/var/cache", "/var/lib"), 0o755),
    **dict.fromkeys(("/var/log", "/var/opt", "/var/spool"), 0o755),
    **{"/root": 0o700, "/tmp": 0o1777, "/var/tmp": 0o1777},
}
_LINKS = {"/var/run": "/run", "/var/lock": "/run/lock"}
_COPIED_ETC_FILES = (
    *("/etc/ld.so.cache", "/etc/ld.so.conf", "/etc/nsswitch.conf", "/etc/host.conf"),
    *("/etc/os-release", "/etc/debian_version", "/etc/mime.types", "/etc/protocols"),
    *("/etc/services", "/etc/ssl/openssl.cnf"),
)
_HOST_NAME = "sandbox"
_ETC_FILES = {
    "/etc/passwd": "root:x:0:0:root:/root:/bin/sh\n"
    "nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n",
    "/etc/group": "root:x:0:\nnogroup:x:65534:\n",
    "/etc/hosts": "127.0.0.1\tlocalhost\n",
    "/etc/hostname": f"{_HOST_NAME}\n",
    "/etc/resolv.conf": "",
}


@dataclass(frozen=True)
class Interpreter:
    """A Python: its executable, and its folders, which are read-only in the sandbox."""

    python: str
    folders: tuple[str, ...]


def run_case(
    task: exchange.Task, interpreter: Interpreter, response_fd: int, privileged: bool
) -> NoReturn:
    """Build the sandbox of a task, run it, write the response to `response_fd`, and exit.

    Called in a forked process. Without privileges the calling user is mapped to root in a user
    namespace.
    """
    if privileged:
        world.enter_namespaces(partial(mounts.call_libc, "unshare", world.ALL_NAMESPACES))
    else:
        world.enter_namespaces(partial(_map_user, 0, world.ALL_NAMESPACES))
    _build_world(task, interpreter)
    # Device nodes would give access to this machine, and more rights its mounts, even in the user
    # namespace of an ordinary user.
    capabilities = [one for one in mounts.CONTAINER_CAPABILITIES if one != _CAP_MKNOD]
    mounts.limit_capabilities(capabilities)
    data = agent.run_task(
        task.job,
        task.tree,
        exchange.helpers(),
        python=interpreter.python,
        hidden=(*SHARED, *interpreter.folders),
        set_user=None if privileged else _map_user,
    )
    with open(response_fd, "wb") as stream:
        stream.write(data)
    os._exit(0)


def _map_user(user: int, namespaces: int = 0) -> None:
    """Enter a new user namespace that maps the current user to the number `user`."""
    uid, gid = os.geteuid(), os.getegid()
    mounts.call_libc("unshare", world.NEW_USERS | namespaces)
    process = Path("/proc/self")
    (process / "setgroups").write_text("deny")
    (process / "uid_map").write_text(f"{user} {uid} 1")
    (process / "gid_map").write_text(f"{user} {gid} 1")


def _build_world(task: exchange.Task, interpreter: Interpreter) -> None:
    os.umask(0o022)
    mounts.mount("", "/", flags=MS_REC | MS_PRIVATE)
    # Any folder will do: the mount is visible in this namespace alone.
    mounts.mount("tmpfs", "/tmp", "tmpfs", options="mode=755")
    os.mkdir("/tmp" + _OLD_ROOT)
    mounts.call_libc("pivot_root", "/tmp", "/tmp" + _OLD_ROOT)
    os.chdir("/")
    for path, mode in _FOLDERS.items():
        os.mkdir(path)
        os.chmod(path, mode)
    for path, target in _LINKS.items():
        os.symlink(target, path)
    mounts.mount("proc", "/proc", "proc", world.MS_RESTRICTED)
    _bind_folders(SHARED)
    _make_etc()
    world.make_devices("", _OLD_ROOT)
    _isolate()
    _bind_folders(interpreter.folders)
    mounts.remount_read_only((*SHARED, *interpreter.folders, *world.kernel_settings()))
    world.mount_tmpfs_folders(task.job["mounts"])
    mounts.call_libc("umount2", _OLD_ROOT, mounts.MNT_DETACH)
    os.rmdir(_OLD_ROOT)


def _bind_folders(folders: Iterable[str]) -> None:
    """Bind-mount folders of this machine at the same paths."""
    for folder in folders:
        source = _OLD_ROOT + folder
        if os.path.islink(source):
            os.makedirs(os.path.dirname(folder), exist_ok=True)
            os.symlink(os.readlink(source), folder)
        elif os.path.isdir(source):
            os.makedirs(folder, exist_ok=True)
            mounts.bind(source, folder)


@lru_cache(maxsize=1)
def etc_files() -> Mapping[str, bytes]:
    """The files of /etc: path → bytes; called before the fork, they are read once."""
    files = {path: text.encode() for path, text in _ETC_FILES.items()}
    for path in _COPIED_ETC_FILES:
        with contextlib.suppress(OSError):
            files[path] = Path(path).read_bytes()
    return files


def _make_etc() -> None:
    os.makedirs("/etc/ssl", exist_ok=True)
    for path, data in etc_files().items():
        with open(path, "wb") as stream:
            stream.write(data)


def _isolate() -> None:
    """Set up a loopback device alone, and protect the settings of the kernel."""
    with contextlib.suppress(OSError):
        mounts.mount("sysfs", "/sys", "sysfs", world.MS_RESTRICTED | MS_RDONLY)
    socket.sethostname(_HOST_NAME)
    with contextlib.suppress(OSError):
        Path("/proc/sys/net/ipv6/conf/all/disable_ipv6").write_text("1")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        set_flags, up = 0x8914, 0x1
        fcntl.ioctl(sock, set_flags, struct.pack("16sH14x", b"lo", up))
    for path in world.kernel_settings():
        mounts.bind(path, path)


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
