"""Signals that ask to stop wait for what is half begun."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator

import pytest

from harness.signals import STOP, undisturbed


class Stopped(BaseException):
    """What the handler of these tests raises."""


@pytest.fixture(autouse=True)
def _handlers() -> Iterator[None]:
    def stop(_number: int, _frame: object) -> None:
        raise Stopped

    before = {number: signal.signal(number, stop) for number in STOP}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("number", STOP)
def test_a_signal_comes_when_it_is_over(number: signal.Signals) -> None:
    done = []

    def work() -> None:
        with undisturbed():
            signal.raise_signal(number)
            done.append("the rest")

    with pytest.raises(Stopped):
        work()
    assert done == ["the rest"]


def test_handlers_are_as_they_were() -> None:
    before = [signal.getsignal(number) for number in STOP]
    with undisturbed():
        assert [signal.getsignal(number) for number in STOP] != before
    assert [signal.getsignal(number) for number in STOP] == before


def test_an_error_passes_through() -> None:
    with pytest.raises(KeyError), undisturbed():
        raise KeyError


def test_in_another_thread_nothing_is_held_back() -> None:
    ran = []

    def work() -> None:
        with undisturbed():
            ran.append(True)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert ran == [True]
