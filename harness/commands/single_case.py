"""One case through a runner that can judge it: for `replay` and `accept`."""

from __future__ import annotations

from harness.cases.trial import Trial
from harness.commands.options import choose_runner, say
from harness.errors import RunnerCannot
from harness.runs.choice import RunnerOptions
from harness.runs.step import StepRef, run_single_case
from harness.runs.warm_start import warm_start


def run_case_once(ref: StepRef, asked: RunnerOptions, case_id: str) -> Trial:
    """Run a case in the runner that was asked for, else in one that can judge the script.

    Raises as `harness.runs.choice.choose` and `harness.runs.step.run_single_case` do.
    """
    choice, note = warm_start(choose_runner(ref, asked), 1)
    if note:
        say(note)
    try:
        return run_single_case(ref, choice.runner, case_id)
    except RunnerCannot as refusal:
        choice = choice.after(refusal)
        say(choice.note)
        return run_single_case(ref, choice.runner, case_id)
