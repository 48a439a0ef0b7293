"""System calls that the kernel refuses to a script (seccomp), and files that it hides (Landlock).

What a process has given up this way, it and all that it starts can never get back, whoever their
user is. Other architectures than those listed, and kernels that lack one of the two, are left as
they are: both functions say whether they had an effect.

Calls no `os`, whose functions the fake runner replaces. Runs on Python 3.8 and newer with the
standard library alone.
"""

from __future__ import annotations

import contextlib
import posix
import stat
import struct
from functools import lru_cache
from typing import Any, Dict, Iterable, List, NamedTuple, Optional, Sequence, Tuple

from harness.runners.inside import mounts

# What the kernel does at a refused call: end the process with SIGSYS, or return an error.
KILL = 0x80000000
_ERROR, _ALLOW = 0x00050000, 0x7FFF0000
EPERM, ENOSYS, EACCES, ENETUNREACH = 1, 38, 13, 101

_PR_SET_NO_NEW_PRIVS, _PR_SET_SECCOMP, _SECCOMP_MODE_FILTER = 38, 22, 2
_LOAD, _EQUAL, _ANY_BIT, _RETURN = 0x20, 0x15, 0x45, 0x06
_AT_LEAST = 0x35
# Where struct seccomp_data has the number, the architecture and the first argument.
_NUMBER, _ARCHITECTURE, _ARGUMENTS = 0, 4, 16
# A second table of x86-64, for programs of 32 bits.
_X32 = 0x40000000
# CLONE_NEW*, but for CLONE_NEWTIME, whose bit means something else to clone(2).
_NEW_NAMESPACES = 0x7E020000
_THREAD = 0x00010000
# O_WRONLY | O_RDWR | O_CREAT | O_TRUNC, the same on both architectures.
_WRITING = 0o1 | 0o2 | 0o100 | 0o1000

# Architecture → its number in audit.h, and its position in the tables.
_ARCHITECTURES = {"x86_64": (0xC000003E, 0), "aarch64": (0xC00000B7, 1)}
_Numbers = Dict[str, Tuple[Optional[int], Optional[int]]]
# What only an administrator of a machine needs, and what reaches other processes and their keys.
# Docker refuses them too.
_ADMINISTRATION: _Numbers = {
    **{"mount": (165, 40), "umount2": (166, 39), "pivot_root": (155, 41), "setns": (308, 268)},
    **{"open_tree": (428, 428), "move_mount": (429, 429), "fsopen": (430, 430)},
    **{"fsconfig": (431, 431), "fsmount": (432, 432), "fspick": (433, 433)},
    **{"mount_setattr": (442, 442), "open_by_handle_at": (304, 265), "bpf": (321, 280)},
    **{"add_key": (248, 217), "request_key": (249, 218), "keyctl": (250, 219)},
    **{"perf_event_open": (298, 241), "userfaultfd": (323, 282), "io_uring_setup": (425, 425)},
    **{"init_module": (175, 105), "finit_module": (313, 273), "delete_module": (176, 106)},
    **{"kexec_load": (246, 104), "kexec_file_load": (320, 294), "reboot": (169, 142)},
    **{"swapon": (167, 224), "swapoff": (168, 225), "acct": (163, 89), "syslog": (103, 116)},
    **{"settimeofday": (164, 170), "clock_settime": (227, 112), "adjtimex": (159, 171)},
    **{"clock_adjtime": (305, 266), "quotactl": (179, 60), "fanotify_init": (300, 262)},
    **{"iopl": (172, None), "ioperm": (173, None)},
}
# What looks into other processes.
_PROCESSES: _Numbers = {
    **{"ptrace": (101, 117), "process_vm_readv": (310, 270), "process_vm_writev": (311, 271)},
    **{"pidfd_open": (434, 434), "pidfd_getfd": (438, 438), "pidfd_send_signal": (424, 424)},
    **{"kcmp": (312, 272), "rt_sigqueueinfo": (129, 138), "rt_tgsigqueueinfo": (297, 240)},
}
# What starts programs, and changes files by their names.
_CHANGES: _Numbers = {
    **{"fork": (57, None), "vfork": (58, None), "execve": (59, 221), "execveat": (322, 281)},
    **{"rename": (82, None), "renameat": (264, 38), "renameat2": (316, 276)},
    **{"mkdir": (83, None), "mkdirat": (258, 34), "rmdir": (84, None), "creat": (85, None)},
    **{"link": (86, None), "linkat": (265, 37), "symlink": (88, None), "symlinkat": (266, 36)},
    **{"unlink": (87, None), "unlinkat": (263, 35), "truncate": (76, 45)},
    **{"mknod": (133, None), "mknodat": (259, 33), "chroot": (161, 51)},
    **{"chmod": (90, None), "fchmodat": (268, 53), "fchmodat2": (452, 452)},
    **{"chown": (92, None), "lchown": (94, None), "fchownat": (260, 54)},
    **{"utime": (132, None), "utimes": (235, None), "futimesat": (261, None)},
    **{"setxattr": (188, 5), "lsetxattr": (189, 6)},
    **{"removexattr": (197, 14), "lremovexattr": (198, 15), "openat2": (437, 437)},
    **{"shmget": (29, 194), "semget": (64, 190), "msgget": (68, 186), "mq_open": (240, 180)},
}
_FORKS = ("fork", "vfork")
_NETWORK: _Numbers = {
    **{"connect": (42, 203), "sendmsg": (46, 211), "sendmmsg": (307, 269)},
    **{"bind": (49, 200), "listen": (50, 201)},
}
# What changes a file that is open for reading.
_OPEN_FILES: _Numbers = {
    **{"fchmod": (91, 52), "fchown": (93, 55), "fsetxattr": (190, 7), "fremovexattr": (199, 16)},
    **{"utimensat": (280, 88)},
}
# What changes how another process runs, and which of its arguments names that one.
_SCHEDULING = {
    **{"prlimit64": ((302, 261), 0), "setpriority": ((141, 140), 1), "ioprio_set": ((251, 30), 1)},
    **{"sched_setparam": ((142, 118), 0), "sched_setscheduler": ((144, 119), 0)},
    **{"sched_setaffinity": ((203, 122), 0), "sched_setattr": ((314, 274), 0)},
}
_UNSHARE, _CLONE, _CLONE3 = (272, 97), (56, 220), (435, 435)
_KILL, _TKILL, _TGKILL = (62, 129), (200, 130), (234, 131)
_OPEN, _OPENAT, _SENDTO, _UTIMENSAT = (2, None), (257, 56), (44, 206), (280, 88)

_Instruction = Tuple[int, int, int, int]
_INSTRUCTION = struct.Struct("=HBBI")


class Rule(NamedTuple):
    """What happens at one system call, by its numbers: `action`, where `test` is true.

    The test compares an argument: "any" with `value` has a bit of it set, "is" and "not" are this
    or another number in its lower half, "without" has no bit of it, "given" is not 0. None is
    always true.
    """

    numbers: Tuple[Optional[int], Optional[int]]
    action: int
    argument: int = 0
    test: Optional[str] = None
    value: int = 0


@lru_cache(maxsize=1)
def of_container() -> Tuple[Rule, ...]:
    """What a container's engine refuses: administration, and new namespaces."""
    return (
        *(Rule(one, _ERROR | EPERM) for one in _ADMINISTRATION.values()),
        Rule(_UNSHARE, _ERROR | EPERM, 0, "any", _NEW_NAMESPACES),
        Rule(_CLONE, _ERROR | EPERM, 0, "any", _NEW_NAMESPACES),
        # Its flags are in memory, where no filter can look; programs use clone(2) then.
        Rule(_CLONE3, _ERROR | ENOSYS),
        # The limits of the agent, which is the first process, and has the user of the script.
        Rule(_SCHEDULING["prlimit64"][0], _ERROR | EPERM, 0, "is", 1),
    )


def of_fake_file_system() -> List[Rule]:
    """What would leave a fake file system: the process ends with SIGSYS.

    A network and new namespaces are refused with an error, as where there are none.
    """
    changes = (one for name, one in _CHANGES.items() if name not in _FORKS)
    return [
        *(Rule(one, _ERROR | EPERM) for one in _ADMINISTRATION.values()),
        *(Rule(one, KILL) for one in (*_PROCESSES.values(), *changes)),
        *(Rule(one, _ERROR | ENETUNREACH) for one in _NETWORK.values()),
        Rule(_SENDTO, _ERROR | ENETUNREACH, 4, "given"),
        Rule(_UNSHARE, _ERROR | EPERM),
        Rule(_CLONE3, _ERROR | ENOSYS),
        Rule(_TKILL, _ERROR | EPERM),
        # 0 is the process itself.
        *(Rule(one, KILL, who, "given") for one, who in _SCHEDULING.values()),
        Rule(_OPEN, KILL, 1, "any", _WRITING),
        Rule(_OPENAT, KILL, 2, "any", _WRITING),
        # Without a name it is a descriptor's date.
        Rule(_UTIMENSAT, KILL, 1, "given"),
    ]


def of_single_process(process: int) -> List[Rule]:
    """What would start another process than the one with this id, or end one: it ends itself."""
    return [
        *(Rule(_CHANGES[name], KILL) for name in _FORKS),
        # Threads are no processes.
        Rule(_CLONE, KILL, 0, "without", _THREAD),
        *(Rule(one, KILL, 0, "not", process) for one in (_KILL, _TGKILL)),
    ]


def of_reader(process: int) -> List[Rule]:
    """What would change a file, start a program or reach a network from the process with this id.

    Each is refused with an error.
    """
    rules = [*of_fake_file_system(), *of_single_process(process)]
    return [
        *(Rule(one, _ERROR | EPERM) for one in _OPEN_FILES.values()),
        *(one._replace(action=_ERROR | EPERM) if one.action == KILL else one for one in rules),
    ]


def refuse(rules: Iterable[Rule]) -> bool:
    """Refuse system calls to this process from now on; whether the kernel does."""
    code = program(tuple(rules))
    if not code:
        return False
    try:
        import ctypes

        buffer = ctypes.create_string_buffer(code, len(code))
        head = struct.pack("@HP", len(code) // _INSTRUCTION.size, ctypes.addressof(buffer))
        mounts.call_libc("prctl", _PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
        filter_ = ctypes.create_string_buffer(head, len(head))
        mounts.call_libc("prctl", _PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, filter_, 0, 0)
    except (ImportError, OSError, AttributeError):
        return False
    return True


_SECCOMP, _SET_MODE_FILTER = (317, 277), 1
# The flags NEW_LISTENER, and WAIT_KILLABLE_RECV: without it a signal fails the call that waits.
_LISTENING = 8 | 32


def column() -> Optional[int]:
    """Where the tables of this module have the numbers of this machine; None for unknown ones."""
    known = _ARCHITECTURES.get(posix.uname().machine)
    return None if known is None else known[1]


def listen(rules: Iterable[Rule]) -> Optional[int]:
    """Have the kernel ask at these calls of this process from now on; whom it asks.

    None where the kernel cannot do that.
    """
    place, code = column(), program(tuple(rules))
    if place is None:
        return None
    try:
        import ctypes

        buffer = ctypes.create_string_buffer(code, len(code))
        head = struct.pack("@HP", len(code) // _INSTRUCTION.size, ctypes.addressof(buffer))
        filter_ = ctypes.create_string_buffer(head, len(head))
        mounts.call_libc("prctl", _PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
        libc: Any = mounts.libc()
        found = libc.syscall(_SECCOMP[place], _SET_MODE_FILTER, _LISTENING, filter_)
    except (ImportError, OSError, AttributeError):
        return None
    return int(found) if found >= 0 else None


def program(rules: Tuple[Rule, ...]) -> bytes:
    """The filter in the kernel's language; empty for an unknown architecture.

    Called before a fork, it is made once for all children.
    """
    machine = posix.uname().machine
    return _program(rules, *_ARCHITECTURES[machine]) if machine in _ARCHITECTURES else b""


@lru_cache(maxsize=4)
def _program(rules: Tuple[Rule, ...], architecture: int, column: int) -> bytes:
    start = _encode(
        (_LOAD, 0, 0, _ARCHITECTURE),
        (_EQUAL, 1, 0, architecture),
        (_RETURN, 0, 0, _ERROR | ENOSYS),
        (_LOAD, 0, 0, _NUMBER),
        (_AT_LEAST, 0, 1, _X32),
        (_RETURN, 0, 0, _ERROR | ENOSYS),
    )
    blocks = (_encoded(rule, column) for rule in rules)
    return b"".join([start, *blocks, _encode((_RETURN, 0, 0, _ALLOW))])


def _encode(*instructions: _Instruction) -> bytes:
    return b"".join(_INSTRUCTION.pack(*one) for one in instructions)


def _encoded(rule: Rule, column: int) -> bytes:
    """The instructions for a rule; none where this machine has no such call."""
    number = rule.numbers[column]
    if number is None:
        return b""
    block = _block(rule)
    return _encode((_EQUAL, 0, len(block), number), *block)


def _block(rule: Rule) -> List[_Instruction]:
    """The instructions for one call, whose last one decides."""
    low = _ARGUMENTS + 8 * rule.argument
    refused, allowed = (_RETURN, 0, 0, rule.action), (_RETURN, 0, 0, _ALLOW)
    if rule.test == "any":
        return [(_LOAD, 0, 0, low), (_ANY_BIT, 0, 1, rule.value), refused, allowed]
    if rule.test == "is":
        return [(_LOAD, 0, 0, low), (_EQUAL, 0, 1, rule.value), refused, allowed]
    if rule.test == "without":
        return [(_LOAD, 0, 0, low), (_ANY_BIT, 1, 0, rule.value), refused, allowed]
    if rule.test == "not":
        return [(_LOAD, 0, 0, low), (_EQUAL, 1, 0, rule.value), refused, allowed]
    if rule.test == "given":
        return [
            (_LOAD, 0, 0, low),
            (_EQUAL, 0, 2, 0),
            (_LOAD, 0, 0, low + 4),
            (_EQUAL, 1, 0, 0),
            refused,
            allowed,
        ]
    return [refused]


_LANDLOCK_CREATE_RULESET, _LANDLOCK_ADD_RULE, _LANDLOCK_RESTRICT_SELF = 444, 445, 446
_PATH_BENEATH = 1
_READ_FILE, _READ_FOLDER = 1 << 2, 1 << 3


def hide_files(readable: Sequence[str]) -> bool:
    """Let this process read nothing but what is at or below these paths; whether the kernel does.

    Descriptors that are open stay usable.
    """
    try:
        import ctypes

        libc: Any = mounts.libc()
        handled = ctypes.create_string_buffer(struct.pack("=Q", _READ_FILE | _READ_FOLDER), 8)
        rules = libc.syscall(_LANDLOCK_CREATE_RULESET, handled, ctypes.c_size_t(8), 0)
        if rules < 0:
            return False
        for path in readable:
            with contextlib.suppress(FileNotFoundError):
                _allow_reading(libc, rules, path)
        mounts.call_libc("prctl", _PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
        hidden = bool(libc.syscall(_LANDLOCK_RESTRICT_SELF, rules, 0) == 0)
        posix.close(rules)
    except (ImportError, OSError, AttributeError):
        return False
    return hidden


def _allow_reading(libc: Any, rules: int, path: str) -> None:
    import ctypes

    descriptor = posix.open(path, posix.O_PATH | posix.O_CLOEXEC)
    is_folder = stat.S_ISDIR(posix.fstat(descriptor).st_mode)
    rights = _READ_FILE | _READ_FOLDER if is_folder else _READ_FILE
    rule = ctypes.create_string_buffer(struct.pack("=Qi", rights, descriptor), 12)
    libc.syscall(_LANDLOCK_ADD_RULE, rules, _PATH_BENEATH, rule, 0)
    posix.close(descriptor)
