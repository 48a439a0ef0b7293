"""A script that tries to get out of its process, and says of each try whether it was refused."""

from __future__ import annotations

ATTACKS = r"""
import ctypes, gc, json, os, signal, socket, stat, subprocess, sys, threading, time

libc = ctypes.CDLL(None, use_errno=True)
seen = {}

def tried(name, function, *arguments):
    try:
        value = function(*arguments)
    except OSError:
        seen[name] = "refused"
    else:
        seen[name] = "done"
        return value

def called(name, *arguments):
    function = getattr(libc, name)
    function.restype = ctypes.c_int
    if function(*arguments) < 0:
        raise OSError(ctypes.get_errno(), name)

def file_at(path, mode):
    with open(path, mode, buffering=0) as stream:
        if mode == "rb":
            stream.read(1)

for process in ("1", str(os.getppid())):
    for name in ("mem", "maps", "environ", "auxv", "stack", "syscall"):
        tried("read " + name, file_at, "/proc/%s/%s" % (process, name), "rb")
    tried("write mem", file_at, "/proc/%s/mem" % process, "r+b")
    tried("descriptors", os.listdir, "/proc/%s/fd" % process)
    for name in ("root", "cwd", "exe", *("fd/%d" % number for number in range(64))):
        path = "/proc/%s/%s" % (process, name)
        tried("link " + name, os.readlink, path)
        tried("folder " + name, os.listdir, path)
        tried("write " + name, file_at, path, "wb")
        tried("read " + name, file_at, path, "rb")

tried("ptrace attach", called, "ptrace", 16, 1, None, None)
tried("ptrace seize", called, "ptrace", 0x4206, 1, None, None)
buffer = ctypes.create_string_buffer(16)
own = (ctypes.c_void_p * 2)(ctypes.addressof(buffer), 16)
for name in ("process_vm_readv", "process_vm_writev"):
    tried(name, called, name, 1, own, ctypes.c_ulong(1), own, ctypes.c_ulong(1), ctypes.c_ulong(0))
if hasattr(os, "pidfd_open"):
    agent = tried("open the process", os.pidfd_open, 1)
    if agent is not None:
        for number in range(16):
            tried("its descriptor", called, "syscall", ctypes.c_long(438), agent, number, 0)
tried("its limits", called, "prlimit", 1, 7, (ctypes.c_ulong * 2)(0, 0), None)

for path in (b"/", b"/usr", b"/proc", b"/proc/sys", b"/dev", b"/sys", b"/tmp"):
    tried("remount %r" % path, called, "mount", None, path, None, ctypes.c_ulong(32), None)
    tried("rebind %r" % path, called, "mount", None, path, None, ctypes.c_ulong(32 | 4096), None)
    tried("unmount %r" % path, called, "umount2", path, 2)
tried("tmpfs", called, "mount", b"x", b"/mnt", b"tmpfs", ctypes.c_ulong(0), None)
tried("bind", called, "mount", b"/usr", b"/mnt", None, ctypes.c_ulong(4096), None)
tried("pivot", called, "pivot_root", b"/tmp", b"/tmp")
for flag in (0x20000, 0x4000000, 0x8000000, 0x10000000, 0x20000000, 0x40000000):
    tried("unshare %x" % flag, called, "unshare", flag)
for name in ("mnt", "pid", "net", "ipc", "uts", "user"):
    def enter():
        descriptor = os.open("/proc/1/ns/" + name, os.O_RDONLY)
        called("setns", descriptor, 0)
    tried("enter " + name, enter)

tried("disk", os.mknod, "/tmp/disk", stat.S_IFBLK | 0o600, os.makedev(8, 0))
tried("hostname", file_at, "/proc/sys/kernel/hostname", "wb")
tried("core pattern", file_at, "/proc/sys/kernel/core_pattern", "wb")
tried("trigger", file_at, "/proc/sysrq-trigger", "wb")
tried("sethostname", called, "sethostname", b"x", ctypes.c_size_t(1))
tried("interpreter", file_at, os.path.realpath(sys.executable), "r+b")
tried("module", file_at, os.__file__, "r+b")
tried("new program", file_at, "/usr/bin/own", "wb")
tried("chroot", called, "chroot", b"/tmp")
up = "/".join([".."] * 20)
seen["above"] = sorted(set(os.listdir(up)) - set(os.listdir("/" if os.path.exists("/usr") else up)))

capabilities = (ctypes.c_uint32 * 6)(*[0xFFFFFFFF] * 6)
tried("capabilities", called, "capset", (ctypes.c_uint32 * 2)(0x20080522, 0), capabilities)
tried("kill the first", os.kill, 1, signal.SIGKILL)
tried("stop the first", os.kill, 1, signal.SIGSTOP)
tried("kill all", os.kill, -1, signal.SIGKILL)

seen["descriptors"] = {}
for number in range(3, 1024):
    try:
        seen["descriptors"][number] = os.readlink("/proc/self/fd/%d" % number)
    except OSError:
        pass
# Own ones: those for the namespaces and the process.
seen["descriptors"] = sorted(
    one for one in seen["descriptors"].values() if "pidfd" not in one and "/ns/" not in one
)
seen["sockets"] = [repr(one) for one in gc.get_objects() if isinstance(one, socket.socket)
                   and one.fileno() >= 0]
frame, depth = sys._getframe(), 0
while frame.f_back is not None:
    frame, depth = frame.f_back, depth + 1
seen["depth"] = depth < 2

tried("other user", os.setgid, 1234)
tried("other user", os.setuid, 1234)
if os.getuid():
    tried("root again", os.setuid, 0)
    tried("root's file", file_at, "/root/x", "wb")
    tried("mem", file_at, "/proc/1/mem", "rb")
    tried("kill the first as another", os.kill, 1, signal.SIGKILL)
child = os.fork()
if child == 0:
    # Left behind.
    os.setsid()
    os.close(1)
    os.close(2)
    time.sleep(600)
print(json.dumps(seen))
"""
# What it may do: signals to the first process are ignored, and nothing is above its root.
DONE = {"open the process", "chroot", "kill the first", "stop the first", "other user"}
