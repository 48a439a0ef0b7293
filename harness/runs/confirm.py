"""Confirms findings that depend on a moment: they count when they are there in every run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from harness.cases.case import Finding
from harness.cases.trial import Trial

_RUNS = 3


def confirmed(first: Trial, run_again: Callable[[], Trial]) -> Trial:
    """The last of at most three runs, with the findings of all of them.

    Without findings one run is enough. A run that is not proven ends it: it is the result.
    """
    trial, keys = first, _keys(first.findings)
    for _ in range(_RUNS - 1):
        if not keys:
            break
        trial = run_again()
        keys &= _keys(trial.findings)
    left = tuple(one for one in trial.findings if _key(one) in keys)
    return replace(trial, verdict=replace(trial.verdict, findings=left))


def _keys(findings: tuple[Finding, ...]) -> set[tuple[str, str]]:
    return {_key(one) for one in findings}


def _key(finding: Finding) -> tuple[str, str]:
    return finding.promise, finding.key
