"""Answers the kernel, which asks before some system calls of a script.

It asks about all threads and children of the script too (seccomp user notification), and gets for
an answer to go on, or what the call comes to. So it works for any program.

Needs Linux 5.19, where a signal does not fail the call that waits (WAIT_KILLABLE_RECV). Runs on
Python 3.8 and newer with the standard library alone.
"""

from __future__ import annotations

import abc
import array
import contextlib
import errno
import os
import select
import signal
import socket
import struct
import threading
from typing import Any, Dict, Iterable, List, Optional, Tuple

from harness.runners.inside import system_calls
from harness.runners.inside.system_calls import Rule

LACKING = (
    "the kernel cannot ask before system calls here (seccomp user notification, Linux 5.19 or "
    "newer, on x86-64 or arm64)"
)
_NOTIFY = 0x7FC00000
_IOCTL_RECEIVE, _IOCTL_SEND = 0xC0502100, 0xC0182101
# Linux 6.6: the process that is answered goes on where this one ran, which is faster.
_IOCTL_SET_FLAGS, _WAKE_UP_HERE = 0x40082104, 1
_NOTIFICATION, _ANSWER = struct.Struct("=QIIiIQ6Q"), struct.Struct("=QqiI")
_CONTINUE = 1
_PAGE, _LONGEST_PATH = 4096, 1 << 16
_POLL_SECONDS = 0.05
SENDMSG = (46, 211)
_HIGH = 500
CURRENT_FOLDER = -100
Decision = Optional[Tuple[int, int, int]]
GO_ON = 0, 0, _CONTINUE


class Listener(abc.ABC):
    """Waits, in a thread, for the process of a script, and answers the kernel for it."""

    def __init__(self) -> None:
        """Wait for the process."""
        self.lacking = ""
        self.process = 0
        self._ended = threading.Event()
        self._own, self._script_end = socket.socketpair()
        self._thread = threading.Thread(target=self._run, daemon=True)
        # The alarm that ends a script which hangs is for another thread.
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGALRM])
        self._thread.start()
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGALRM])

    @property
    def connection(self) -> int:
        """The descriptor that the process of the script hands itself over through."""
        return self._script_end.fileno()

    def started(self) -> None:
        """The script has its own copy of the connection."""
        self._script_end.close()

    @abc.abstractmethod
    def finish(self) -> Dict[str, Any]:
        """What was seen, after the end of the script, as JSON values."""

    def end(self) -> None:
        """Answer no more, after the end of the script."""
        self._ended.set()
        self._thread.join()
        self._own.close()

    @abc.abstractmethod
    def decide(self, thread: int, number: int, arguments: List[int]) -> Decision:
        """The value, error and flags of the answer for one system call; None for no answer.

        What raises `OSError` or `ValueError` goes on: it has gone, or names what is not there, and
        the kernel tells it so.
        """

    def _run(self) -> None:
        try:
            message, rights, _, _ = self._own.recvmsg(8, socket.CMSG_SPACE(4))
        except OSError:
            return
        if not rights:
            self.lacking = LACKING
            return
        (self.process,) = struct.unpack("=q", message)
        listener = array.array("i", rights[0][2])[0]
        try:
            self._answer_all(listener)
        finally:
            os.close(listener)

    def _answer_all(self, listener: int) -> None:
        import fcntl

        self.listener = listener
        with contextlib.suppress(OSError):
            fcntl.ioctl(listener, _IOCTL_SET_FLAGS, _WAKE_UP_HERE)
        poll = select.poll()
        poll.register(listener, select.POLLIN)
        while True:
            ready = poll.poll(_POLL_SECONDS * 1000)
            if not ready:
                if self._ended.is_set():
                    return
                continue
            if not ready[0][1] & select.POLLIN:
                return
            asked = bytearray(_NOTIFICATION.size)
            try:
                fcntl.ioctl(listener, _IOCTL_RECEIVE, asked)
            except OSError as error:
                # The process that asked has been killed.
                if error.errno in (errno.EINTR, errno.ENOENT):
                    continue
                return
            number, thread, _, call, _, _, *arguments = _NOTIFICATION.unpack(asked)
            self.asking = number
            try:
                answer = self.decide(thread, call, arguments)
            except (OSError, ValueError):
                answer = GO_ON
            if answer is None:
                continue
            value, error_number, flags = answer
            with contextlib.suppress(OSError):
                packed = bytearray(_ANSWER.pack(number, value, -error_number, flags))
                fcntl.ioctl(listener, _IOCTL_SEND, packed)


def hand_over(connection: int, rules: Iterable[Rule]) -> None:
    """Let the kernel ask about this process and all that it starts, and hand over the means.

    `rules` are those of `asked`. Where the kernel cannot do that, nothing else is different.
    """
    import fcntl

    # Nobody answers yet when the means are sent: through a number that no script comes to have.
    own = fcntl.fcntl(connection, fcntl.F_DUPFD_CLOEXEC, _HIGH)
    rules = [
        one._replace(argument=0, test="not", value=own) if one.numbers == SENDMSG else one
        for one in rules
    ]
    listener = system_calls.listen(rules)
    rights = [] if listener is None else [array.array("i", [listener])]
    with socket.socket(fileno=own) as sock:
        sock.sendmsg(
            [struct.pack("=q", os.getpid())],
            [(socket.SOL_SOCKET, socket.SCM_RIGHTS, one) for one in rights],
        )
    if listener is not None:
        os.close(listener)
    os.close(connection)


def asked(numbers: Tuple[Optional[int], Optional[int]]) -> Rule:
    """The rule that the kernel asks before each system call with these numbers."""
    return Rule(numbers, _NOTIFY)


def signed(value: int) -> int:
    """An argument of the type int."""
    low = value & 0xFFFFFFFF
    return low - (1 << 32) if low >> 31 else low


def memory(thread: int, address: int, size: int) -> bytes:
    """What a thread has at an address."""
    descriptor = os.open("/proc/%d/mem" % thread, os.O_RDONLY | os.O_CLOEXEC)
    try:
        return os.pread(descriptor, size, address)
    finally:
        os.close(descriptor)


def text(thread: int, address: int) -> str:
    """The text that a thread has at an address, up to its end."""
    data = b""
    while b"\0" not in data and len(data) < _LONGEST_PATH:
        # Not further than to the end of a page: the next one may not be there.
        at = address + len(data)
        data += memory(thread, at, _PAGE - at % _PAGE)
    return os.fsdecode(data.partition(b"\0")[0])
