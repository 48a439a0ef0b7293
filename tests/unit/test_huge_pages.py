"""Memory that is moved into huge pages stays what it was, whether or not the kernel moves it."""

from __future__ import annotations

import ctypes
import sys
from typing import Any

import pytest

from harness.runners.inside import huge_pages, mounts

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="what Linux does")


def test_what_this_process_holds_stays_as_it_is() -> None:
    data = bytearray(range(256)) * (4 << 12)
    huge_pages.use()
    assert data == bytearray(range(256)) * (4 << 12)


def test_whole_huge_pages_of_written_memory_alone_are_asked_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[tuple[int, int, int]] = []

    class Libc:
        def madvise(self, place: Any, size: Any, advice: int) -> int:
            asked.append((place.value, size.value, advice))
            return -1

    monkeypatch.setattr(mounts, "libc", Libc)
    data = ctypes.create_string_buffer(8 << 20)
    start = ctypes.addressof(data)
    huge_pages.use()
    inside = [place for place, _, _ in asked if start <= place < start + len(data)]
    assert 3 <= len(inside) <= 4
    assert {(place % (2 << 20), size) for place, size, _ in asked} == {(0, 2 << 20)}


def test_a_system_without_them_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> Any:
        raise ImportError("no ctypes")

    monkeypatch.setattr(mounts, "libc", fail)
    huge_pages.use()
