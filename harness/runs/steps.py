"""One run of one or more steps, one after the other, with events for the reports."""

from __future__ import annotations

import time
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace

from harness.cases.case import Result
from harness.cases.observed import Query
from harness.cases.results import Group, Results, number_of
from harness.errors import HarnessError, RunnerCannot, RunnerUnavailable
from harness.report import Plan, Report, Run, Summary, WorldsShown
from harness.runs.choice import Choice
from harness.runs.covering import basis, can_cover, check_number, check_sample, covering
from harness.runs.observed import never_read, undeclared
from harness.runs.session import Session
from harness.runs.step import JudgeCase, StepRef, load, prove
from harness.runs.warm_start import warm_start
from harness.runs.workers import Workers

# Of so many cases most follow from others, and are judged in groups.
_MANY, _GROUP = 5_000, 200


@dataclass(frozen=True)
class StepRun:
    """A step, the plan of which of its cases are run, and the choice of their runner."""

    ref: StepRef
    plan: Plan
    choice: Choice


def run_steps(
    step_runs: Sequence[StepRun],
    workers: Workers,
    reports: Sequence[Report],
    max_fail: int | None = None,
    judge_case: JudgeCase = prove,
    errors: list[HarnessError] | None = None,
    *,
    exhaustive: bool = True,
) -> tuple[Summary, ...]:
    """Run the steps in order, until all are done or `max_fail` cases have failed.

    `workers` and `judge_case` are those of a `Session`. Unless it is to be `exhaustive`, the cases
    that follow from others are not run, where nothing speaks against it. Raises what `Session.run`
    raises; reports get `run_stopped` even then. That no runner can judge one of several steps is
    added to `errors` instead, and the others are run.
    """
    summaries: list[Summary] = []
    try:
        for step_run in step_runs:
            allowed = None if max_fail is None else max_fail - _count_failures(summaries)
            if allowed == 0:
                break
            started = time.monotonic()
            for report in reports:
                report.step_started(step_run.plan)
            try:
                plan, results = _run_step(
                    step_run,
                    workers,
                    reports,
                    allowed,
                    judge_case,
                    exhaustive=exhaustive,
                )
            except (RunnerCannot, RunnerUnavailable) as error:
                if errors is None or len(step_runs) == 1:
                    raise
                errors.append(error)
                continue
            summaries.append(Summary(plan, results, time.monotonic() - started))
            for report in reports:
                report.step_finished(summaries[-1])
    finally:
        for report in reports:
            report.run_stopped()
    for report in reports:
        report.run_finished(Run(tuple(summaries), tuple(errors or ())))
    return tuple(summaries)


def _count_failures(summaries: Sequence[Summary]) -> int:
    return sum(summary.number_failed for summary in summaries)


def _run_step(
    step_run: StepRun,
    workers: Workers,
    reports: Sequence[Report],
    max_fail: int | None,
    judge_case: JudgeCase,
    *,
    exhaustive: bool,
) -> tuple[Plan, Sequence[Result]]:
    """The results, and the plan, which has another runner if the first one has refused a case."""
    plan, choice = step_run.plan, step_run.choice
    done = Results(plan.ids, WorldsShown().without)
    while True:
        if isinstance(workers, int):
            # Workers elsewhere may have another Python, or no sandbox.
            choice, note = warm_start(choice, len(plan.ids) - len(done))
            if note:
                for report in reports:
                    report.runner_changed(note)
        session = Session(step_run.ref, choice.runner, workers, judge_case)
        ids = plan.ids[len(done) :]
        try:
            found: Iterable[Result]
            if exhaustive:
                found = session.run(ids)
            elif max_fail is not None:
                check_number(plan.step, len(ids), "with --max-fail each is run")
                found = session.run(ids)
            elif can_cover(choice.runner, len(ids)):
                found = _covered(session, ids, reports)
            else:
                why = f"of what a case looks at the runner {choice.runner.name} tells nothing"
                check_number(plan.step, len(ids), why)
                found = session.run(ids)
            done = _report_results(found, done, reports, max_fail)
        except RunnerCannot as refusal:
            choice = choice.after(refusal)
            plan = plan.with_runner(choice.runner.name, choice.image)
            for report in reports:
                report.runner_changed(choice.note)
        else:
            return plan, done


def _covered(session: Session, ids: Sequence[str], reports: Sequence[Report]) -> Iterable[Result]:
    """The results, of cases that follow from others without a run, as far as nothing forbids it."""
    name = load(session.ref).contract.name
    found_basis = basis(session.ref, session.runner, session.workers, len(ids))
    if reason := found_basis.reason:
        check_number(name, len(ids), reason)
        for report in reports:
            report.runner_changed(f"{name}: every case is run: {reason}")
        return session.run(ids)
    with covering(session.runner, found_basis.in_sandbox) as runner:
        covered = replace(session, runner=runner)
        is_long = isinstance(session.workers, int) and len(ids) > _MANY
        found = (
            covered.run_in_groups(ids, _GROUP)
            if is_long
            else (Group.of([one]) for one in covered.run(ids))
        )
        results = _judged(ids, found, reports)
        looked_at = runner.looked_at()
    sample = check_sample(results, session)
    if sample.other:
        check_number(name, len(ids), "it is irreproducible")
        for report in reports:
            report.runner_changed(
                f"{name}: every case is run: it is irreproducible: {len(sample.other)} of "
                f"{len(sample.ids)} cases that follow from others end otherwise when they are run, "
                f"such as {sample.other[0]}"
            )
        return session.run(ids)
    # Of a case that another machine has run, or an earlier session, it is not known.
    is_known = isinstance(session.workers, int) and not number_of(results, lambda one: one.cached)
    if looked_at is not None and is_known:
        for line in _not_as_declared(session.ref, looked_at, ids):
            for report in reports:
                report.runner_changed(f"warning: {name}: {line}")
    return results


def _judged(ids: Sequence[str], found: Iterator[Group], reports: Sequence[Report]) -> Results:
    """The results, which are told of only when the sample has agreed."""
    results = Results(ids, WorldsShown().without)
    number = failed = 0
    for group in found:
        results.add_group(group)
        for place in group.places:
            number += 1
            failed += group.verdicts[place].failed
            for report in reports:
                report.cases_judged(number, failed)
    return results


def _not_as_declared(
    ref: StepRef, looked_at: frozenset[Query], ids: Sequence[str]
) -> Iterator[str]:
    """What the script looks at without its being declared, and what is declared in vain."""
    step = load(ref)
    case, _ = step.matrix.case(step.matrix.usual)
    yield from undeclared(step.contract, case, looked_at)
    if len(ids) == len(step.matrix.ids):
        yield from never_read(step.contract, case, looked_at)


def _report_results(
    found: Iterable[Result], done: Results, reports: Sequence[Report], max_fail: int | None
) -> Results:
    """Tell of the results, until so many have failed; all that are done."""
    if isinstance(found, Results) and not done:
        for result in found:
            for report in reports:
                report.case_finished(result)
        return found
    with ExitStack() as closing:
        if isinstance(found, Generator):
            closing.callback(found.close)
        for result in found:
            done.add(result)
            for report in reports:
                report.case_finished(done[-1])
            if max_fail is not None and number_of(done, lambda one: one.failed) >= max_fail:
                break
    return done
