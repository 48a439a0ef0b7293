"""A warm process: a Python with the modules of a script loaded, from which cases are forked.

It is started in namespaces of its own with the variables of the script, imports what it is told,
and then forks a process for every case, which enters new namespaces, makes the root file system of
the case there and runs the agent in it. The script is a fork of that process. The warm process
itself never runs a script.

It gets requests, and answers each with one frame; see `harness.runners.inside.frames`. Runs on
Python 3.8 and newer with the standard library alone, as the text of the option -c, which calls
`serve` in its outermost frame.
"""

from __future__ import annotations

import contextlib
import gc
import json
import os
import sys
import traceback
import warnings
from typing import Any, Callable, Dict, Iterator, Mapping, NoReturn, Optional, Tuple

from harness.runners.inside import (
    agent,
    frames,
    fresh,
    huge_pages,
    launch,
    mounts,
    overlay,
    supervision,
    system_calls,
    world,
)
from harness.runners.inside.imports import Learning, Preload
from harness.runners.inside.launch import CONNECTION
from harness.runners.inside.root import Root
from harness.runners.inside.streams import Ends, Streams

# The descriptor of a script for the answer of a function call.
_ANSWERING = CONNECTION + 1
# Requests: import modules (names), compile a script (path, a line break, source), tell which
# variables count (names), run a case (job, then the tree).
IMPORT, COMPILE, READS, JOB, TREE = b"I", b"C", b"V", b"J", b"T"
# Answers; that to a request to run a case is as of `serve`.
DONE, RESULT, ERROR = b"D", b"R", b"E"


class _Begin(BaseException):
    """Raised in the process that becomes the script, to leave all frames but the outermost one."""

    def __init__(self, ends: Ends, started: int, supervised: Optional[int]) -> None:
        """Keep the descriptors that it has, and that of the pipe to close when it starts."""
        super().__init__()
        self.ends, self.started, self.supervised = ends, started, supervised


class _Forked:
    """The process of a script, forked from this one."""

    returncode: Optional[int] = None

    def __init__(self, pid: int) -> None:
        """Wait for a process with `wait`."""
        self.pid = pid

    def wait(self) -> int:
        """Wait for its end; the exit code, negative for a signal."""
        _, status = os.waitpid(self.pid, 0)
        is_exit = os.WIFEXITED(status)
        self.returncode = os.WEXITSTATUS(status) if is_exit else -os.WTERMSIG(status)
        return self.returncode


class Server:
    """The warm process, as the agent of its cases needs it.

    `make_world(job)` makes the root of a case in a new process, and returns further arguments for
    `agent.run_task`; the process has new `namespaces`.
    """

    def __init__(
        self,
        state: fresh.State,
        settings: Mapping[str, Any],
        namespaces: int,
        make_world: Callable[[agent.Job], Dict[str, Any]],
    ) -> None:
        """Start without any modules."""
        self._state = state
        self._settings = settings
        self._namespaces = namespaces
        self._make_world = make_world
        self._preload = Preload(state.started, range(CONNECTION + 1))
        self._helpers = {name: text.encode() for name, text in settings["helpers"].items()}
        self._codes: Dict[str, Any] = {}
        # What cases need is loaded once, and is not the script's.
        mounts.libc()
        system_calls.program(system_calls.of_container())
        self._preload.load(())
        self._state.remember(settings["environment"])

    def serve(self) -> Tuple[Any, Dict[str, Any]]:
        """Answer requests; returns in the process of a script alone: its code and `__main__`."""
        try:
            while True:
                self._answer()
        except _Ready as ready:
            return ready.code, ready.main
        except EOFError:
            os._exit(0)

    def _answer(self) -> None:
        """Answer one request."""
        answers = {IMPORT: self._import, COMPILE: self._compile, READS: self._tell_reads}
        kind, data = frames.receive(CONNECTION)
        if kind == JOB:
            _, tree = frames.receive(CONNECTION)
            answer = self._run(json.loads(data), tree)
        else:
            with told_errors():
                answer = DONE, json.dumps(answers[kind](data)).encode()
        frames.send(CONNECTION, *answer)

    def _import(self, data: bytes) -> Dict[str, Any]:
        self._preload.load(json.loads(data))
        self._state.remember(self._settings["environment"])
        gc.collect()
        # The garbage collector of a forked process skips these, so that their pages stay shared.
        gc.freeze()
        huge_pages.use()
        return {"trouble": self._preload.trouble, "loaded": self._preload.packages()}

    def _tell_reads(self, data: bytes) -> Any:
        return self._preload.reads(json.loads(data))

    def _compile(self, data: bytes) -> bool:
        """Compile a script ahead; whether that says nothing that Python would print."""
        name, _, source = data.partition(b"\n")
        key, cwd, script = json.loads(name)
        path = fresh.Command(script, (), cwd, {}).path
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error")
                code = compile(source, path, "exec", dont_inherit=True)
        except Exception:
            return False
        self._codes[key] = code
        return True

    def _run(self, job: agent.Job, tree: bytes) -> Tuple[bytes, bytes]:
        read_end, write_end = os.pipe()
        try:
            child = world.fork_first()
        except OSError as error:
            os.close(read_end)
            os.close(write_end)
            return ERROR, str(error).encode("utf-8", "backslashreplace")
        if child == 0:
            os.close(read_end)
            self._run_case(job, tree, write_end)
        os.close(write_end)
        code, data = frames.wait_for_response(child, read_end, CONNECTION)
        return (ERROR if code else RESULT), data or b"it ended with the exit code %d" % code

    def _run_case(self, job: agent.Job, tree: bytes, response_pipe: int) -> NoReturn:
        """Make the world of a case, run it, write the response and exit."""
        code = 1
        try:
            world.enter_as_first(self._namespaces)
            os.close(CONNECTION)
            further = self._make_world(job)
            data = agent.run_task(
                job, tree, self._helpers, python=sys.executable, start=self._start, **further
            )
            frames.write(response_pipe, data)
            code = 0
        except _Begin as begin:
            self._become_script(job, begin)
        except BaseException as error:
            lines = traceback.format_exception_only(type(error), error)
            frames.write(response_pipe, "".join(lines).encode("utf-8", "backslashreplace"))
        os._exit(code)

    def _start(self, streams: Streams, supervised: Optional[int]) -> _Forked:
        """Fork the process of a script, and wait until it starts."""
        read_end, write_end = os.pipe()
        child = os.fork()
        if child == 0:
            raise _Begin(streams.take_ends(), write_end, supervised)
        os.close(write_end)
        with open(read_end, "rb") as stream:
            trouble = stream.read()
        if trouble:
            raise RuntimeError(trouble.decode("utf-8", "replace"))
        return _Forked(child)

    def _become_script(self, job: agent.Job, begin: _Begin) -> NoReturn:
        """Become the process of the script."""
        try:
            os.setsid()
            stdin = os.open(os.devnull, os.O_RDWR)
            descriptors = [stdin, begin.ends.stdout, begin.ends.stderr, begin.started]
            if job["call"] is not None:
                descriptors.append(begin.ends.answering)
            elif begin.supervised is not None:
                descriptors.append(begin.supervised)
            launch.keep_descriptors(descriptors)
            # What the kernel refuses to the agent by now, it refuses to this process too.
            agent.own_itself()
            mounts.drop_capabilities()
            environment = {**job["defaults"], **self._settings["inherited"], **job["variables"]}
            command = _command(job, environment)
            main = self._state.restore(command, self._preload.hidden())
            if job.get("learn"):
                learning = Learning(self._state.started, job["learn"], job["script"])
                _write_at_exit(learning)
            # Python opens the file of a script when it starts it.
            os.close(os.open(main["__file__"], os.O_RDONLY))
            code = self._codes[job["code"]]
            if begin.supervised is not None:
                supervision.hand_over(_ANSWERING, agent.rules_of(job))
            os.close(CONNECTION)
        except BaseException:
            frames.write(CONNECTION, traceback.format_exc().encode("utf-8", "backslashreplace"))
            os._exit(1)
        raise _Ready(code, main)


class _Ready(BaseException):
    """Raised when a process has become that of a script: its code, and its `__main__`."""

    def __init__(self, code: Any, main: Dict[str, Any]) -> None:
        """Keep what is executed, and where."""
        super().__init__()
        self.code, self.main = code, main


def _command(job: agent.Job, environment: Mapping[str, str]) -> fresh.Command:
    if job["call"] is not None:
        arguments = [job["script"], job["call"], str(_ANSWERING)]
        return fresh.Command(agent.HELPER_FOLDER + "/driver.py", arguments, job["cwd"], environment)
    return fresh.Command(job["started_as"], job["arguments"], job["cwd"], environment)


def _write_at_exit(learning: Learning) -> None:
    """Write what a script has imported at its end, as the last thing that it does."""
    import atexit

    descriptor = os.open(agent.LEARNED, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    atexit.register(lambda: frames.write(descriptor, json.dumps(learning.result()).encode()))


@contextlib.contextmanager
def told_errors() -> Iterator[None]:
    """Tell the harness why this process ends."""
    try:
        yield
    except BaseException:
        frames.send(CONNECTION, ERROR, traceback.format_exc().encode("utf-8", "backslashreplace"))
        os._exit(1)


def in_sandbox(state: fresh.State, settings: Mapping[str, Any]) -> Server:
    """The server of a warm process in a sandbox."""
    folders, etc = settings["root"]
    root = Root(tuple(folders), etc)
    namespaces = world.NEW_MOUNTS | world.NEW_IPC | world.NEW_PROCESSES

    def make_world(job: agent.Job) -> Dict[str, Any]:
        # After a case that has used ports, this one could not use the same.
        new_network = _has_connections()
        if new_network:
            mounts.call_libc("unshare", world.NEW_NETWORK)
        root.build(job["mounts"], new_network=new_network, is_nested=True)
        mounts.limit_capabilities(settings["capabilities"])
        return {"hidden": root.hidden}

    return Server(state, settings, namespaces, make_world)


def in_container(state: fresh.State, settings: Mapping[str, Any]) -> Server:
    """The server of a warm process in a container."""

    def make_world(job: agent.Job) -> Dict[str, Any]:
        return {"layer": overlay.build(job, settings["mounted"])}

    return Server(state, settings, overlay.NAMESPACES, make_world)


def _has_connections() -> bool:
    """Whether the network namespace of this process has a TCP socket, or what is left of one."""
    try:
        with open("/proc/self/net/sockstat") as stream:
            counts = [line.split() for line in stream if line.startswith("TCP:")]
    except OSError:
        return True
    return any(count != "0" for line in counts for count in line[2:7:2])
