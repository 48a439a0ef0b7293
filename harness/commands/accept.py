"""`harness accept`: write the golden files of a step from what its usual case leaves."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from harness.commands.options import (
    EPILOG,
    StepOptions,
    profile_option,
    runner_options,
    say,
    step_argument,
    step_options,
)
from harness.errors import Exit, WrongUse


@click.command(epilog=EPILOG)
@step_argument
@step_options
@runner_options
@profile_option
@click.option("--case", "case_id", metavar="ID", help="This case instead of the usual one.")
@click.option("--yes", is_flag=True, help="Write the files without asking.")
def accept(
    step: Path | None,
    options: StepOptions,
    runner: str | None,
    image: str | None,
    isolation: str | None,
    profile: str | None,
    case_id: str | None,
    yes: bool,
) -> None:
    """Show how the outputs of STEP differ from its golden files, and write those."""
    from harness.commands.single_case import run_case_once
    from harness.promises.golden import difference, pairs
    from harness.runs.choice import RunnerOptions
    from harness.runs.step import load

    ref = options.step_ref(options.find_step(step), profile=profile)
    loaded = load(ref)
    contract = loaded.contract
    if not any(content.golden for one in contract.outputs.values() for _, content in one.contents):
        raise WrongUse(
            f"{contract.origin} names no golden file",
            "as in: outputs: {out: {files: {report.json: {golden: samples/expected/report.json}}}}",
        )
    chosen = case_id or loaded.matrix.usual
    if not chosen:
        raise WrongUse("the step has no usual case", "name one with --case ID")
    trial = run_case_once(ref, RunnerOptions(runner, image, isolation), chosen)
    outcome = trial.outcome
    if outcome.after is None or outcome.exit_code != 0 or trial.expected.exit_code != 0:
        say(f"{chosen}: exit code {outcome.exit_code}: there is nothing to accept")
        sys.exit(Exit.FINDINGS)
    left = 0
    for pair in pairs(contract, outcome.after):
        found = difference(contract, pair)
        if not found:
            continue
        if pair.kept is None or pair.written is None:
            found = f"{len(pair.written)} bytes" if pair.written is not None else "is not written"
        say(f"{pair.file} ({'new' if pair.kept is None else pair.path})", err=False)
        say("\n".join(f"  {line}" for line in found.splitlines()), err=False)
        if not (yes or click.confirm("accept?")):
            left += 1
        elif pair.written is None:
            pair.file.unlink()
        else:
            pair.file.parent.mkdir(parents=True, exist_ok=True)
            pair.file.write_bytes(pair.written)
    sys.exit(Exit.FINDINGS if left else Exit.CONFORMS)
