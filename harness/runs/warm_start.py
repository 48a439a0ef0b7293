"""Whether a runner starts the cases of a step warm: from a process with the imports loaded."""

from __future__ import annotations

from typing import Literal

from harness.runners import Runner
from harness.runners.real.warm_plan import WarmRunner, warmed
from harness.runs.choice import Choice
from harness.runs.step import StepRef, load

Start = Literal["auto", "warm", "cold"]
STARTS: tuple[Start, ...] = ("auto", "warm", "cold")
# The usual case is run some more times first, which so many cases are worth.
WORTH = 20


def warm_start(choice: Choice, cases: int) -> tuple[Choice, str]:
    """The choice with a runner that starts warm, for so many cases, and a line if it cannot.

    Raises what `prepare` and `run` of the runner raise.
    """
    asked = choice.options.start
    if asked == "cold" or (asked == "auto" and cases < WORTH):
        return choice, ""
    runner, reason = warm_runner(choice.ref, choice.runner)
    name = load(choice.ref).contract.name
    note = f"{name}: every case starts an interpreter of its own: {reason}" if reason else ""
    return choice.with_runner(runner), note


def warm_runner(ref: StepRef, runner: Runner) -> tuple[Runner, str]:
    """The runner that starts the cases of a step warm, or the same one and why it does not.

    There is no reason for a runner that knows no such start.
    """
    if not isinstance(runner, WarmRunner):
        return runner, ""
    matrix = load(ref).matrix
    if not matrix.usual:
        return runner, "it has no usual case, with which to find out what it imports"
    usual, _ = matrix.case(matrix.usual)
    runner.prepare()
    try:
        return warmed(runner, load(ref).limit.apply(usual))
    finally:
        runner.close()
