"""Runs a drafted step once on the samples that are there, for `harness infer --run`."""

from __future__ import annotations

from pathlib import Path

import click

from harness.errors import HarnessError


def trial_run(folder: Path, code: Path, *, adds: bool) -> None:
    """Run the usual case of the contract in `folder` in a sandbox, and say what came of it.

    What was seen is added to the contract as comments, if it was drafted just now.
    """
    from harness.commands.options import StepOptions
    from harness.commands.single_case import run_case_once
    from harness.lint.problem import printable
    from harness.runs.choice import RunnerOptions
    from harness.runs.step import load

    options = StepOptions(code=code)
    try:
        ref = options.step_ref(options.find_step(folder))
        case = max(load(ref).matrix.ids, key=_presence, default=None)
        if case is None:
            click.echo("not run: there are no samples yet", err=True)
            return
        trial = run_case_once(ref, RunnerOptions("sandbox"), case)
    except HarnessError as error:
        click.echo(f"not run: {error.what}", err=True)
        return
    outcome = trial.outcome
    lines = [f"run: {case} ended with exit code {outcome.exit_code}"]
    before = {path for path, _ in outcome.before}
    after = {path for path, _ in outcome.after or ()}
    lines += [f"run: {printable(path)} was written" for path in sorted(after - before)]
    for line in lines:
        click.echo(line)
    if not adds:
        return
    contract = folder / "contract.yaml"
    text = contract.read_text(encoding="utf-8")
    seen = "".join(f"# {line}\n" for line in lines if f"# {line}" not in text)
    contract.write_text(text + seen, encoding="utf-8")


def _presence(case: str) -> int:
    return case.count("=present") + case.count("=set")
