"""A warm process in a sandbox of its own, whose parent is this process."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import socket
import tempfile
import traceback
from collections.abc import Mapping
from typing import NoReturn

from harness.runners.inside import frames, launch, mounts, warm
from harness.runners.real import exchange, sandbox_world
from harness.runners.real.sandbox_world import Interpreter
from harness.runners.real.warm import WarmFailed, WarmProcess
from harness.runners.real.warm_program import OUTERMOST, program

_CAP_SYS_ADMIN, _CAP_NET_ADMIN = 21, 12


class SandboxProcess(WarmProcess):
    """A warm process in a sandbox, and the connection to it."""

    def __init__(
        self, interpreter: Interpreter, privileged: bool, environment: Mapping[str, str]
    ) -> None:
        """Start it with these variables, and without any modules."""
        super().__init__(environment)
        settings = {
            "root": sandbox_world.root_of(interpreter).as_json(),
            "capabilities": sandbox_world.CAPABILITIES,
            "environment": self.environment,
            "inherited": {},
            "helpers": {name: data.decode() for name, data in exchange.helpers().items()},
        }
        # Loaded before the fork.
        mounts.libc()
        self._socket, other = socket.socketpair()
        with tempfile.TemporaryFile() as text, other:
            text.write(program("in_sandbox", settings))
            text.seek(0)
            self._child = os.fork()
            if self._child == 0:
                try:
                    _execute(
                        interpreter, privileged, self.environment, other.fileno(), text.fileno()
                    )
                except BaseException as error:
                    message = "".join(traceback.format_exception_only(error)).encode()
                    frames.send(other.fileno(), warm.ERROR, message)
                finally:
                    os._exit(70)

    def _exchange(self, requests: list[tuple[bytes, bytes]], seconds: float) -> tuple[bytes, bytes]:
        # One that has ended may have said why.
        with contextlib.suppress(OSError):
            for kind, data in requests:
                frames.send(self._socket.fileno(), kind, data)
        try:
            if not select.select([self._socket], [], [], seconds)[0]:
                raise WarmFailed("it does not answer")
            return frames.receive(self._socket.fileno())
        except (OSError, EOFError) as error:
            raise WarmFailed(f"it has ended: {error}") from None

    def disconnect(self) -> None:
        """Close the connection in a process that has inherited it."""
        self._socket.close()

    def close(self) -> None:
        """End it, and all processes in its namespaces."""
        self._socket.close()
        with contextlib.suppress(ProcessLookupError):
            os.kill(self._child, signal.SIGKILL)
        with contextlib.suppress(ChildProcessError):
            os.waitpid(self._child, 0)


def _execute(
    interpreter: Interpreter,
    privileged: bool,
    environment: Mapping[str, str],
    connection: int,
    program_file: int,
) -> NoReturn:
    """Enter namespaces and start the warm process there, in this process, which was forked."""
    sandbox_world.enter(privileged)
    sandbox_world.root_of(interpreter).build(())
    mounts.limit_capabilities([*mounts.CONTAINER_CAPABILITIES, _CAP_SYS_ADMIN, _CAP_NET_ADMIN])
    for folder in launch.WRITABLE:
        mounts.bind(folder, folder)
    launch.execute(interpreter.python, OUTERMOST, environment, connection, program_file)
