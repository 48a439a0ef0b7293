"""Signals that stop the harness are deferred to the end of the context."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator

import pytest

from harness.signals import STOP_SIGNALS, defer_stop_signals


class Stopped(BaseException):
    """Raised by the signal handler of these tests."""


@pytest.fixture(autouse=True)
def _handlers() -> Iterator[None]:
    def stop(_number: int, _frame: object) -> None:
        raise Stopped

    before = {number: signal.signal(number, stop) for number in STOP_SIGNALS}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("number", STOP_SIGNALS)
def test_a_signal_is_handled_at_the_end(number: signal.Signals) -> None:
    done = []

    def work() -> None:
        with defer_stop_signals():
            signal.raise_signal(number)
            done.append("the rest")

    with pytest.raises(Stopped):
        work()
    assert done == ["the rest"]


def test_the_handlers_are_restored() -> None:
    before = [signal.getsignal(number) for number in STOP_SIGNALS]
    with defer_stop_signals():
        assert [signal.getsignal(number) for number in STOP_SIGNALS] != before
    assert [signal.getsignal(number) for number in STOP_SIGNALS] == before


def test_an_error_is_raised_as_usual() -> None:
    with pytest.raises(KeyError), defer_stop_signals():
        raise KeyError


def test_in_another_thread_nothing_is_deferred() -> None:
    ran = []

    def work() -> None:
        with defer_stop_signals():
            ran.append(True)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert ran == [True]
