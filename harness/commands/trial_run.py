"""Runs a drafted step once on the samples that are there, for `harness infer --run`."""

from __future__ import annotations

import json
from pathlib import Path

import click

from harness.cases.case import Case, Outcome
from harness.errors import HarnessError
from harness.runners.inside import observed

# Of what a script asked for, in lines.
_MOST = 100


def trial_run(folder: Path, code: Path, *, adds: bool) -> None:
    """Run the usual case of the contract in `folder` in a sandbox, and say what came of it.

    What was seen is added to the contract as comments, if it was drafted just now.
    """
    from harness.commands.options import StepOptions, choose_runner
    from harness.files.shown import shown_line
    from harness.runs.choice import RunnerOptions
    from harness.runs.step import load

    options = StepOptions(code=code)
    try:
        ref = options.step_ref(options.find_step(folder))
        matrix = load(ref).matrix
        chosen = max(matrix.ids, key=_presence, default=None)
        if chosen is None:
            click.echo("not run: there are no samples yet", err=True)
            return
        case = _observing(matrix.case(chosen)[0])
        runner = choose_runner(ref, RunnerOptions("sandbox")).runner
        runner.prepare()
        try:
            outcome = runner.run(case)
        finally:
            runner.close()
    except HarnessError as error:
        click.echo(f"not run: {error.what}", err=True)
        return
    lines = [shown_line(f"run: {one}") for one in _seen(chosen, outcome)]
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


def _observing(case: Case) -> Case:
    """The case with a script that does the same, and writes down what it asks for."""
    entry = case.tree.get(case.script)
    if entry is None or case.is_other_program:
        return case
    observer = Path(observed.__file__).read_text(encoding="utf-8")
    source = (
        "names = {'__name__': 'observed'}\n"
        f"exec(compile({observer!r}, '<observed>', 'exec'), names)\n"
        f"names.pop('run')({entry.data!r}, __file__)\n"
    )
    return case.with_tree(case.tree.with_file(case.script, source.encode(), mode=entry.mode))


def _seen(case: str, outcome: Outcome) -> list[str]:
    """What a run showed, a line each."""
    lines = [f"{case} ended with exit code {outcome.exit_code}"]
    after = dict(outcome.after or ())
    told = after.pop(observed.OBSERVED, None)
    known = asked(told.data if told else b"{}")
    lines += [f"{one} was read" for one in known.get("read", [])]
    lines += [f"the variable {one} was asked for" for one in known.get("variables", [])]
    before = {path for path, _ in outcome.before}
    lines += [f"{path} was written" for path in sorted(after.keys() - before)]
    return lines


def asked(told: bytes) -> dict[str, list[str]]:
    """What the script's process wrote down; anything may be in it."""
    try:
        document = json.loads(told)
    except ValueError:
        return {}
    found: dict[str, list[str]] = {}
    for key, values in document.items() if isinstance(document, dict) else ():
        if isinstance(values, list):
            found[key] = [one[:500] for one in values[:_MOST] if isinstance(one, str)]
    return found
