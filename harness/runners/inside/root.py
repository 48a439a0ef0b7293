"""The root file system of a sandbox: in memory, with the programs of the machine read-only.

Runs on Python 3.8 and newer with the standard library alone, in the mount namespace of a sandbox,
as a user that may mount there.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import socket
import struct
from typing import Any, Iterable, Mapping, NamedTuple, Sequence, Tuple

from harness.runners.inside import mounts, world
from harness.runners.inside.mounts import MS_PRIVATE, MS_RDONLY, MS_REC

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
HOST_NAME = "sandbox"


class Root(NamedTuple):
    """What is in the root file system of a sandbox.

    `folders` are those of the interpreter, `etc` the files of /etc: path → text.
    """

    folders: Tuple[str, ...]
    etc: Mapping[str, str]

    def build(
        self,
        tmpfs_folders: Iterable[Sequence[str]],
        new_network: bool = True,
        is_nested: bool = False,
    ) -> None:
        """Make it the root of the mount namespace of this process.

        `tmpfs_folders` are further file systems, as (path, options). A new network gets a loopback
        device. A nested root is made where the root is such a one already.
        """
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
        self._make_etc()
        world.make_devices("", _OLD_ROOT)
        _isolate(new_network)
        _bind_folders(self.folders)
        if is_nested:
            # What is bound there is read-only, and stays that.
            for path in world.kernel_settings():
                mounts.bind(_OLD_ROOT + path, path)
        else:
            for path in world.kernel_settings():
                mounts.bind(path, path)
            mounts.remount_read_only((*self.hidden, *world.kernel_settings()))
        world.mount_tmpfs_folders(tmpfs_folders)
        mounts.call_libc("umount2", _OLD_ROOT, mounts.MNT_DETACH)
        os.rmdir(_OLD_ROOT)

    @property
    def hidden(self) -> Tuple[str, ...]:
        """The folders of this machine in it, which no script can change."""
        return (*SHARED, *self.folders)

    def as_json(self) -> Any:
        """The root as JSON values: the arguments of `Root`."""
        return [list(self.folders), dict(self.etc)]

    def _make_etc(self) -> None:
        os.makedirs("/etc/ssl", exist_ok=True)
        for path, text in self.etc.items():
            # Latin-1 stands for bytes.
            with open(path, "wb") as stream:
                stream.write(text.encode("latin-1"))


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


def _isolate(new_network: bool) -> None:
    """Set up a loopback device alone."""
    with contextlib.suppress(OSError):
        mounts.mount("sysfs", "/sys", "sysfs", world.MS_RESTRICTED | MS_RDONLY)
    if new_network:
        socket.sethostname(HOST_NAME)
        ipv6 = "/proc/sys/net/ipv6/conf/all/disable_ipv6"
        with contextlib.suppress(OSError), open(ipv6, "w") as stream:
            stream.write("1")
        start_loopback()


def start_loopback() -> None:
    """Start the loopback device of the network namespace of this process."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        set_flags, up = 0x8914, 0x1
        fcntl.ioctl(sock, set_flags, struct.pack("16sH14x", b"lo", up))
