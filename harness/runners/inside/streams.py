"""What connects a script to the agent: its standard streams, and the answer of a function call.

They are pipes, as in a container of the service, and the agent reads them while the script runs.
Runs on Python 3.8 and newer with the standard library alone.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import socket
import threading
from typing import Any, Dict, List, NamedTuple, Optional

from harness.runners.inside.capture import Capture

# How long the streams of a script may stay open after its end, in seconds.
_STREAMS_SECONDS = 5.0
_KEY_SIZE = 16
# Of an answer, in bytes.
_MAX_SIZE = 1 << 20


class Ends(NamedTuple):
    """The descriptors of a script: its standard streams, and the socket for an answer."""

    stdout: int
    stderr: int
    answering: int


class Streams:
    """The standard streams of a script, which are pipes, and the answer of a function call."""

    def __init__(self, user: int) -> None:
        """Make them, for a script that this user runs."""
        self._pipes = {name: os.pipe() for name in ("stdout", "stderr")}
        self._captures = {name: Capture(ends[0]) for name, ends in self._pipes.items()}
        for _, write_end in self._pipes.values():
            # The user of the script may open them by their names.
            with contextlib.suppress(OSError):
                os.fchown(write_end, user, user)
        self._key = os.urandom(_KEY_SIZE)
        self._own, self.answering = socket.socketpair()
        self._own.sendall(self._key)
        self._own.setblocking(False)
        self._ended = threading.Event()

    def write_end(self, name: str) -> int:
        """The end of a pipe that the script has."""
        return self._pipes[name][1]

    def take_ends(self) -> Ends:
        """What the script has, in its process, where nothing else of this is of use any more."""
        # Otherwise the socket would close its number some time, whatever that is then.
        self._own.close()
        return Ends(self.write_end("stdout"), self.write_end("stderr"), self.answering.detach())

    def follow(self) -> None:
        """Read from now on, in a thread."""
        for name in self._pipes:
            os.close(self.write_end(name))
        self.answering.close()
        self._thread = threading.Thread(target=self._read, daemon=True)
        # The alarm that ends a script which hangs is for this thread.
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGALRM])
        self._thread.start()
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGALRM])

    def finish(self) -> Dict[str, bytes]:
        """What the script has written, after the end of all its processes."""
        self._thread.join(_STREAMS_SECONDS)
        self._ended.set()
        self._thread.join()
        return {name: capture.content() for name, capture in self._captures.items()}

    def returned(self) -> Optional[Dict[str, Any]]:
        """The answer of the call, as of `harness.runners.inside.driver`; None if there is none.

        It can be asked for once.
        """
        parts: List[bytes] = []
        with self._own, contextlib.suppress(OSError):
            while sum(map(len, parts)) <= _MAX_SIZE:
                part = self._own.recv(1 << 16)
                if not part:
                    break
                parts.append(part)
        return _read_answer(b"".join(parts), self._key)

    def _read(self) -> None:
        poll = select.poll()
        left = {one.source: one for one in self._captures.values()}
        for source in left:
            poll.register(source, select.POLLIN)
        while left and not self._ended.is_set():
            for source, _ in poll.poll(1000):
                if not left[source].read():
                    poll.unregister(source)
                    os.close(left.pop(source).source)


def _read_answer(answer: bytes, key: bytes) -> Optional[Dict[str, Any]]:
    """The result in an answer; None when it is none with this key."""
    if not answer.startswith(key) or len(answer) > _MAX_SIZE:
        return None
    try:
        result = json.loads(answer[len(key) :].decode())
    except (ValueError, RecursionError):
        return None
    return result if isinstance(result, dict) else None
