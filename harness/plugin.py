"""Everything that packages need which add promises, runners, reports or forms of contract."""

from __future__ import annotations

from harness.cases.case import Case, Finding, Outcome, Result
from harness.cases.expectation import Expectation
from harness.contracts.contract import Contract
from harness.contracts.reading import Loader, Options, StepInFile
from harness.errors import RunnerCannot, RunnerUnavailable, WrongContract, WrongUse
from harness.promises import Breach, Circumstance, Evidence, NotProven, Promise
from harness.report import Defect, Plan, Run, Summary, defects
from harness.runners import Runner
from harness.worlds.tree import Tree

__all__ = [
    "Breach",
    "Case",
    "Circumstance",
    "Contract",
    "Defect",
    "Evidence",
    "Expectation",
    "Finding",
    "Loader",
    "NotProven",
    "Options",
    "Outcome",
    "Plan",
    "Promise",
    "Result",
    "Run",
    "Runner",
    "RunnerCannot",
    "RunnerUnavailable",
    "StepInFile",
    "Summary",
    "Tree",
    "WrongContract",
    "WrongUse",
    "defects",
]
