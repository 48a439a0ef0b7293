"""Results of many cases: equal verdicts are kept once, and each result is as it was added."""

from __future__ import annotations

from dataclasses import replace

from harness.cases.case import Finding, Result
from harness.cases.results import Group, Results, number_of, where
from harness.report import WorldsShown, without_known_worlds

PASSED = Result("", (), 0, 0.0, "")
FINDING = Finding("output", "missing", "", "/out", "a file", "nothing")
FAILED = Result("", (FINDING,), 0, 0.0, "the end", world=("- /out",))
VERDICTS = (PASSED, replace(PASSED, follows="a=0"), FAILED, replace(FAILED, follows="a=2"))


def test_results_are_those_that_were_added() -> None:
    ids = [f"a={number}" for number in range(40)]
    added = [VERDICTS[number % 7 % 4].of(one) for number, one in enumerate(ids)]
    shown = tuple(without_known_worlds(added))
    for size in (1, 3, 40):
        results = Results(ids, WorldsShown().without)
        for start in range(0, len(added), size):
            results.add_group(Group.of(added[start : start + size]))
        assert tuple(results) == shown
        assert len(results) == 40
        assert [results[-1], *results[3:5]] == [shown[-1], *shown[3:5]]
        for kept in (results, shown):
            assert tuple(where(kept, lambda one: one.failed)) == tuple(
                one for one in shown if one.failed
            )
            assert number_of(kept, lambda one: bool(one.follows)) == sum(
                bool(one.follows) for one in shown
            )
    assert sum(bool(one.world) for one in results) == 1
    assert {one.findings[0].case for one in results if one.failed} <= set(ids)
