"""Records what a script does to the fake file system, and interrupts it at a moment of its work.

The effects are those of `harness.runners.inside.moments`, as a real file system would show them:
what a script has buffered is not written yet. Checked against pyfakefs 6.3.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterable
from typing import Any

from pyfakefs import fake_file
from pyfakefs.fake_filesystem import FakeFilesystem

from harness.runners.inside.moments import CLOSED, CREATED, MOVED, REMOVED, WRITTEN

# The moment before the first effect: the script has read and computed, and is about to write.
BEFORE_ALL = -1
_set_mask, _pthread_kill = signal.pthread_sigmask, signal.pthread_kill


class Effects:
    """The effects of one script; `fire` is called once, after the effect with the index `moment`.

    Without a moment they are only recorded. `sent_after` is the number of effects before `fire`,
    and `held` whether the script held the signal back then, as in the middle of a commit.
    `handles` is whether the script has come to handle or ignore the signal `number`; a script that
    `will_handle` it is not interrupted before, but when it does.
    """

    def __init__(
        self,
        moment: int | None,
        number: signal.Signals,
        fire: Callable[[], None],
        *,
        will_handle: bool = False,
    ) -> None:
        """Record nothing before `watch`."""
        self.seen = ""
        self.sent_after: int | None = None
        self.handles = self.held = False
        self._moment = moment
        self._number = number
        self._fire = fire
        self._will_handle = will_handle
        self._waits = False

    def watch(self) -> None:
        """Wrap the functions of pyfakefs through which every effect goes."""
        self._after(FakeFilesystem, "add_object", CREATED)
        self._after(FakeFilesystem, "remove_object", REMOVED)
        self._after(FakeFilesystem, "rename", MOVED)
        self._watch_files()
        self._watch_handlers()

    def _after(self, cls: type, name: str, effect: str) -> None:
        original = getattr(cls, name)

        def wrapper(*args: Any, **names: Any) -> Any:
            if self._moment == BEFORE_ALL and not self.seen:
                self._fire_once()
            result = original(*args, **names)
            self._record(effect)
            return result

        setattr(cls, name, wrapper)

    def _watch_files(self) -> None:
        flush_, close_ = fake_file.FakeFileWrapper.flush, fake_file.FakeFileWrapper.close_fd

        def flush(handle: fake_file.FakeFileWrapper) -> None:
            node: Any = getattr(handle, "file_object", None)
            before = getattr(node, "byte_contents", None)
            flush_(handle)
            if getattr(node, "byte_contents", None) != before:
                self._record(WRITTEN)

        def close_fd(handle: fake_file.FakeFileWrapper, fd: int | None) -> None:
            is_open = handle._is_open()
            close_(handle, fd)
            if is_open and handle.allow_update and not handle.is_stream:
                self._record(CLOSED)

        wrapper: Any = fake_file.FakeFileWrapper
        wrapper.flush, wrapper.close_fd = flush, close_fd

    def _watch_handlers(self) -> None:
        original = signal.signal

        def set_handler(number: int, handler: Any) -> Any:
            before = original(number, handler)
            if number == self._number and handler is not signal.SIG_DFL:
                self.handles = True
                if self._waits:
                    self._fire_once()
            return before

        def set_mask(how: int, mask: Iterable[int]) -> Any:
            numbers = set(mask)
            if how != signal.SIG_UNBLOCK and self._number in numbers:
                # The last moment before a script writes all at once, while it holds it back.
                is_due = self.handles and self._moment == BEFORE_ALL and not self.seen
                if is_due or self._waits:
                    self._fire_once()
            elif self._pends() and (how == signal.SIG_SETMASK or self._number in numbers):
                self._fire()
            return _set_mask(how, numbers)

        module: Any = signal
        module.signal, module.pthread_sigmask = set_handler, set_mask

    def _record(self, effect: str) -> None:
        self.seen += effect
        due = self._moment is not None and len(self.seen) > self._moment
        if due and effect in (WRITTEN, CLOSED, MOVED):
            self._fire_once()

    def _fire_once(self) -> None:
        self._waits = self._will_handle and not (self.handles or self.holds())
        if self.sent_after is None and not self._waits:
            self.sent_after = len(self.seen)
            self.held = self.holds()
            if self.held and self._number != signal.SIGKILL:
                # Whoever holds it back may look whether it pends.
                _pthread_kill(threading.main_thread().ident or 0, self._number)
            else:
                self._fire()

    def holds(self) -> bool:
        """Whether the script holds the signal back now, that is blocks it."""
        return self._number in _set_mask(signal.SIG_BLOCK, ())

    def _pends(self) -> bool:
        """Whether the signal was held back, and will end the script when it is no longer."""
        is_default = signal.getsignal(self._number) is signal.SIG_DFL
        return is_default and self._number in signal.sigpending()
