"""Digests: equal values have the same, other values another."""

from __future__ import annotations

import itertools
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from types import MappingProxyType

import pytest

from harness.cases.case import Case
from harness.contracts.contract import Input
from harness.files.digest import NoDigest, digest
from harness.worlds.jobs import PROCESSING
from harness.worlds.tree import Tree

TREE = Tree.for_job(PROCESSING).with_file("/opt/ml/x", b"1")


@dataclass(frozen=True)
class Point:
    x: object
    y: object = None


DIFFERENT = [
    *(None, True, False, 0, 1, 1.0, "", "1", b"", b"1", "None", "\udcff"),
    *((), (1,), [1], ("1",), ("ab", "c"), ("a", "bc"), ((1,), 2), (1, (2,))),
    *({}, {"a": 1}, {"a": 1, "b": 2}, {"b": 2, "a": 1}, {"a": {"b": 1}}),
    *(set(), {"a"}, {"a", "b"}, frozenset("a"), PurePosixPath("1"), Point(1), Point(None, 1)),
    Input(required=True, mounts=("/a",)),
    Input(required=False, mounts=("/a",)),
    *(TREE, TREE.with_file("/opt/ml/x", b"2"), TREE.with_file("/opt/ml/x", b"1", mode=0o600)),
    TREE.without("/opt/ml/x"),
    *(Case(tree=TREE), Case(tree=TREE, umask=0o077), Case(tree=TREE, variables={"A": "1"})),
]


def test_different_values_have_different_digests() -> None:
    for one, two in itertools.combinations(DIFFERENT, 2):
        assert digest(one) != digest(two), (one, two)


def test_equal_values_have_the_same_digest() -> None:
    assert digest({"a": 1}) == digest(MappingProxyType({"a": 1}))
    assert digest(Case(tree=TREE)) == digest(Case(tree=TREE.without("/x").with_directory("/opt")))
    assert digest({"a", "b", "c"}) == digest({"c", "b", "a"})


@pytest.mark.parametrize("value", [len, Point, object(), Point(lambda: 1), [iter(())]])
def test_a_value_without_canonical_form_has_no_digest(value: object) -> None:
    with pytest.raises(NoDigest):
        digest(value)


def test_cached_properties_do_not_count() -> None:
    job, used = (type(PROCESSING)(**PROCESSING.model_dump()) for _ in range(2))
    Tree.for_job(used)
    assert digest(job) == digest(used)


def test_a_digest_is_the_same_in_every_process() -> None:
    code = (
        "from harness.files.digest import digest; from tests.unit.test_digest import *; "
        "print(digest(TREE, {'a', 'b', 'c'}))"
    )
    completed = [
        subprocess.run(
            [sys.executable, "-c", code],
            env={"PYTHONHASHSEED": seed, "PYTHONPATH": str(Path(__file__).parents[2])},
            capture_output=True,
            text=True,
            check=True,
        )
        for seed in ("1", "2")
    ]
    assert {one.stdout.strip() for one in completed} == {digest(TREE, {"a", "b", "c"})}
