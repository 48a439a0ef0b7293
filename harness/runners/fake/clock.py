"""The clock of the fake runner: a script that sleeps does not wait, its clocks move on instead."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable
from typing import Any

_CLOCKS = ("time", "monotonic", "perf_counter")
# The clocks of other modules, which do not move on.
_OTHER_CLOCKS = b"datetime"
# pyfakefs rebinds the names of modules and functions in every module, but not what a dict holds.
_REAL: dict[str, Any] = {
    name: getattr(time, name)
    for name in ("sleep", "clock_gettime", *_CLOCKS, *(f"{one}_ns" for one in _CLOCKS))
}
_REAL["getitimer"] = signal.getitimer
_NANOSECONDS = 10**9


class Clock:
    """The seconds that a script has slept, and the functions of `time` that take part in it.

    After `timeout` seconds of sleep `on_timeout` is called, which does not return. A script that
    may read a clock of another module really sleeps from then on; so does one that may wait for
    another thread or an alarm.
    """

    def __init__(self, timeout: float, on_timeout: Callable[[], None]) -> None:
        """Nothing has been slept yet."""
        self.slept = 0.0
        self._timeout = timeout
        self._on_timeout = on_timeout
        self._waits = False

    def install(self, sources: list[bytes]) -> None:
        """Replace the functions of `time`; `sources` are those that the script may run."""
        self._waits = any(_OTHER_CLOCKS in one for one in sources)
        module: Any = time
        module.sleep = self._sleep
        for name in _CLOCKS:
            setattr(module, name, self._moved(name))
            setattr(module, f"{name}_ns", self._moved_ns(f"{name}_ns"))
        module.clock_gettime = lambda clock: _REAL["clock_gettime"](clock) + self.slept

    def _moved(self, name: str) -> Callable[[], float]:
        real = _REAL[name]
        return lambda: real() + self.slept

    def _moved_ns(self, name: str) -> Callable[[], int]:
        real = _REAL[name]
        return lambda: real() + int(self.slept * _NANOSECONDS)

    def _sleep(self, seconds: float, /) -> None:
        if seconds < 0:
            raise ValueError("sleep length must be non-negative")
        is_over = self.slept + seconds >= self._timeout
        if (is_over and self._waits) or _something_goes_on():
            _REAL["sleep"](seconds)
            return
        # Signals that have arrived are handled here, as in a real sleep.
        _REAL["sleep"](0)
        self.slept += seconds
        if is_over:
            self._on_timeout()


def _something_goes_on() -> bool:
    """Whether something happens meanwhile: another thread is at work, or an alarm is set."""
    return threading.active_count() > 1 or _REAL["getitimer"](signal.ITIMER_REAL)[0] > 0
