"""Shards: every case is in exactly one of them, in every version."""

from __future__ import annotations

import pytest

from harness.cases.shard import Shard
from harness.errors import WrongUse

IDS = [f"text={number},older_copy=absent" for number in range(300)]


@pytest.mark.parametrize("of", [1, 2, 3, 7])
def test_every_case_is_in_one_shard(of: int) -> None:
    shards = [Shard(number, of) for number in range(1, of + 1)]
    parts = [[one for one in IDS if shard.contains(one)] for shard in shards]
    assert sorted(one for part in parts for one in part) == sorted(IDS)
    # The shards are of similar size.
    assert all(len(part) > len(IDS) / of / 2 for part in parts)


def test_a_case_stays_in_its_shard_from_version_to_version() -> None:
    # As `printf ID | sha256sum | cut -c 1-16` has it, modulo 3, plus 1.
    known = {"text=absent": 2, "text=long": 2, "special=é": 1}
    for case_id, number in known.items():
        assert [Shard(one, 3).contains(case_id) for one in (1, 2, 3)].index(True) + 1 == number


@pytest.mark.parametrize(
    "text", ["", "x", "0/3", "4/3", "1/0", "0/0", "-1/3", "1/3/5", "1.0/3", " 1/3", "1/3\n", "¹/3"]
)
def test_a_malformed_shard_is_an_error_that_says_the_form(text: str) -> None:
    with pytest.raises(WrongUse, match=r"write I/N, where I is a number from 1 to N"):
        Shard.parse(text)


def test_a_shard_is_written_as_it_is_read() -> None:
    assert Shard.parse("2/4") == Shard(2, 4)
    assert str(Shard.parse("2/4")) == "2/4"
