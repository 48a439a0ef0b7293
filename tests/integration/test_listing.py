"""The order in which folders list their entries in containers: fixed, and the opposite one."""

from __future__ import annotations

from dataclasses import replace

import pytest

from harness.runners.real.container import ContainerRunner
from tests.unit.test_listing import LISTS, TREE
from tests.unit.worlds import case_of


@pytest.mark.parametrize("isolation", ["worker", "case"])
def test_folders_list_in_the_opposite_order(engine: str, isolation: str) -> None:
    runner = ContainerRunner(engine, isolation)
    runner.prepare()
    usual = case_of(LISTS, TREE)
    try:
        for case, order in (
            (usual, "new c b a"),
            (replace(usual, reversed_listing=True), "new a b c"),
        ):
            assert runner.run(case).stdout.splitlines() == [order, order]
    finally:
        runner.close()
