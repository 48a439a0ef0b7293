"""Runs the step in a process of its own in which one operation on files fails, or is the last."""

from __future__ import annotations

import builtins
import errno
import io
import logging
import os
import signal
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from tests.fuzz.executions import load

Fault = Literal["none", "ENOSPC", "EIO", "EACCES", "EINTR", "short", "kill", "SIGTERM", "SIGINT"]
FAULTS: tuple[Fault, ...] = (
    *("ENOSPC", "EIO", "EACCES", "EINTR", "short", "kill", "SIGTERM", "SIGINT"),
)

_FUNCTIONS = (
    *("stat", "lstat", "open", "unlink", "replace", "rename", "mkdir", "rmdir", "fsync", "link"),
    *("symlink", "chmod", "chown", "utime", "listdir", "scandir", "readlink", "copy_file_range"),
)


@dataclass(frozen=True)
class Ran:
    """How a run ended: its exit code (128 + number for a signal), and its standard error."""

    code: int
    stderr: str


@dataclass
class _Injection:
    """Counts operations, and does something else in place of one of them."""

    fault: Fault
    at: int
    log: Path
    active: bool = False
    count: int = 0

    def meets(self, operation: str) -> bool:
        """Whether an operation is to write or read less; it may raise, or not return, as well."""
        if not self.active:
            return False
        self.count += 1
        if self.count != self.at:
            return False
        self.active = False
        self.log.write_text(operation)
        if self.fault == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        if self.fault in ("SIGTERM", "SIGINT"):
            os.kill(os.getpid(), getattr(signal, self.fault))
        elif self.fault not in ("none", "short"):
            number = getattr(errno, self.fault)
            raise OSError(number, os.strerror(number))
        return self.fault == "short"


class _File(io.FileIO):
    """A file whose operations count."""

    injection: _Injection

    def readinto(self, buffer: Any) -> int:
        view = memoryview(buffer)
        return super().readinto(view[: 1 + len(view) // 3] if self._meets("read") else view) or 0

    def readall(self) -> bytes:
        self._meets("read")
        return super().readall()

    def write(self, data: Any) -> int:
        view = memoryview(data).cast("B")
        return super().write(view[: 1 + len(view) // 3] if self._meets("write") else view) or 0

    def seek(self, *arguments: int) -> int:
        self._meets("seek")
        return super().seek(*arguments)

    def _meets(self, operation: str) -> bool:
        return self.injection.meets(operation)


def run(world: Path, fault: Fault = "none", at: int = 0) -> tuple[Ran, str]:
    """Run the step in a world, with a fault at an operation; returns what was hit, if anything.

    Without a fault that is the number of operations.
    """
    log, stderr = world.parent / "hit", world.parent / "stderr"
    load()  # Once, and not in each child.
    log.unlink(missing_ok=True)
    child = os.fork()
    if not child:
        _child(world, _Injection(fault, at, log), stderr)
    _, status = os.waitpid(child, 0)
    code = os.WEXITSTATUS(status) if os.WIFEXITED(status) else 128 + os.WTERMSIG(status)
    hit = log.read_text() if log.exists() else ""
    return Ran(code, stderr.read_text()), hit


def _child(world: Path, injection: _Injection, stderr: Path) -> None:
    code = 99
    try:
        with stderr.open("w") as stream:
            os.dup2(stream.fileno(), 2)
        sys.stderr = open(2, "w", closefd=False)  # noqa: SIM115
        step = load()
        step.logger.setLevel(logging.NOTSET)
        logging.root.handlers.clear()
        step.MODEL_CHANNELS = (str(world / "model"),)
        step.HYPERPARAMETERS_CHANNELS = (str(world / "given"),)
        step.OUTPUT_DIR = str(world / "out")
        step.TRAINING_MODEL_DIR = str(world / "collected")
        step.TRAINING_CONFIG = str(world / "training")
        step.PROCESSING_CONFIG = str(world / "processing")
        _File.injection = injection
        for name in _FUNCTIONS:
            setattr(os, name, _counted(name, getattr(os, name), injection))
        io.open = builtins.open = _opener(injection, io.open)
        injection.active = True
        code = step.run()
        injection.active = False
        if injection.fault == "none":
            injection.log.write_text(str(injection.count))
        sys.stderr.flush()
    finally:
        os._exit(code)


def _counted(name: str, original: Callable[..., Any], injection: _Injection) -> Callable[..., Any]:
    def counted(*arguments: Any, **options: Any) -> Any:
        try:
            less = injection.meets(name)
        except OSError as error:
            if isinstance(arguments[0], (str, os.PathLike)):
                error.filename = str(arguments[0])
            raise
        if less and name == "copy_file_range":
            source, target, size, *offset = arguments
            return original(source, target, 1 + size // 3, *offset)
        return original(*arguments, **options)

    return counted


def _opener(injection: _Injection, original: Callable[..., Any]) -> Callable[..., Any]:
    def opener(file: Any, mode: str = "r", *arguments: Any, **options: Any) -> Any:
        if not injection.active or "b" not in mode:
            return original(file, mode, *arguments, **options)
        try:
            injection.meets("open")
        except OSError as error:
            error.filename = str(file)
            raise
        raw = _File(file, mode.replace("b", ""))
        return io.BufferedReader(raw) if mode == "rb" else io.BufferedWriter(raw)

    return opener
