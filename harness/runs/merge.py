"""Merges the reports of all shards of a run into the report of the whole run.

Reports that are incomplete or do not belong together are an error, never a pass.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from harness.errors import WrongUse
from harness.files import regular
from harness.files.models import describe_error
from harness.report import Summary, without_known_worlds
from harness.report.json_file import LINES
from harness.report.record import CaseRecord, ShardRecord, StepRecord, Totals

_WRITE_AGAIN = "write it again with harness check --json"
_MERGE_ONE_RUN = (
    "merge the reports of one run: the same steps, options, runner and harness in each shard"
)


@dataclass(frozen=True)
class ReportFile:
    """The report of one shard or of a whole run: its path, and its steps in order."""

    path: Path
    steps: tuple[StepRecord, ...]

    @property
    def shard(self) -> ShardRecord | None:
        """Which shard it is; None for a whole run."""
        return self.steps[0].shard


def merge_reports(paths: Sequence[Path]) -> tuple[Summary, ...]:
    """The summaries of the run that these reports are of; raises `WrongUse` if it is incomplete."""
    reports = [read_report(path) for path in paths]
    if len(reports) > 1 or reports[0].shard is not None:
        reports = _in_shard_order(reports)
    for report in reports[1:]:
        _check_same_run(reports[0], report)
    joined = [
        _join_step(steps) for steps in zip(*(report.steps for report in reports), strict=True)
    ]
    for step in joined:
        _check_whole(paths, step)
    summaries = (step.summary for step in joined)
    return tuple(
        replace(one, results=tuple(without_known_worlds(one.results))) for one in summaries
    )


def _check_whole(paths: Sequence[Path], step: StepRecord) -> None:
    """Raise `WrongUse` unless the run has every case of the matrix, or those that were named."""
    is_whole = step.selection.expression is None and not step.selection.cases
    if is_whole and len(step.cases) != step.matrix:
        raise WrongUse(
            f"{', '.join(map(str, paths))}: {step.step}: {len(step.cases)} of {step.matrix} cases "
            "are there, and no option has selected them",
            _WRITE_AGAIN,
        )
    if missing := [one for one in step.selection.cases if one not in {c.id for c in step.cases}]:
        missing = [one for one in missing if one not in step.unproven]
        if missing:
            raise WrongUse(
                f"{', '.join(map(str, paths))}: {step.step}: missing: {_first_few(missing)}",
                _WRITE_AGAIN,
            )


def read_report(path: Path) -> ReportFile:
    """Read and check one report; raises `WrongUse`."""
    try:
        text = regular.read_bytes(path).decode()
    except OSError as error:
        raise WrongUse(f"{path}: cannot be read: {error.strerror}", "name a report") from None
    except UnicodeDecodeError:
        raise WrongUse(f"{path}: is no report: it is not UTF-8", _WRITE_AGAIN) from None
    documents = list(_from_lines(path, text) if path.suffix == LINES else _from_json(path, text))
    if not documents:
        raise WrongUse(f"{path}: is no report: it is empty", _WRITE_AGAIN)
    report = ReportFile(path, tuple(_record(path, where, one) for where, one in documents))
    _check_complete(report)
    return report


def _from_lines(path: Path, text: str) -> Iterator[tuple[str, Any]]:
    """Each step of a report in JSON lines: the prefix of its error messages, and its document."""
    cases: list[Any] = []
    for number, line in enumerate(text.splitlines(), 1):
        document = _parse(path, line, number)
        _refuse_errors(path, document)
        if isinstance(document, dict) and "id" in document:
            cases.append(document)
        elif isinstance(document, dict):
            yield f"{number}: ", {**document, "cases": cases}
            cases = []
        else:
            raise WrongUse(f"{path}:{number}: is no line of a report", _WRITE_AGAIN)
    if cases:
        raise WrongUse(
            f"{path}: is cut short: after {len(cases)} cases the line about their step is missing",
            _WRITE_AGAIN,
        )


def _from_json(path: Path, text: str) -> Iterator[tuple[str, Any]]:
    """Each step of a report in one document, as `_from_lines`."""
    document = _parse(path, text, 1)
    _refuse_errors(path, document)
    steps = document.get("steps") if isinstance(document, dict) else None
    if isinstance(steps, list):
        yield from ((f"1: steps.{number}.", step) for number, step in enumerate(steps))
    else:
        yield "1: ", document


def _refuse_errors(path: Path, document: Any) -> None:
    """Raise `WrongUse` for a run in which steps could not be proved."""
    errors = document.get("errors") if isinstance(document, dict) else None
    if isinstance(errors, list) and errors:
        first = errors[0].get("what") if isinstance(errors[0], dict) else errors[0]
        raise WrongUse(f"{path}: not all of its steps were proved: {first}", _WRITE_AGAIN)


def _parse(path: Path, text: str, first_line: int) -> Any:
    try:
        return json.loads(
            text,
            parse_float=_finite,
            parse_constant=_finite,
            object_pairs_hook=_without_repeats,
        )
    except json.JSONDecodeError as error:
        raise WrongUse(
            f"{path}:{first_line + error.lineno - 1}: is not JSON, or cut short: {error.msg}",
            _WRITE_AGAIN,
        ) from None
    except (ValueError, RecursionError) as error:
        what = "it is nested too deeply" if isinstance(error, RecursionError) else str(error)
        raise WrongUse(f"{path}:{first_line}: is no report: {what:.200}", _WRITE_AGAIN) from None


def _finite(text: str) -> float:
    """A number that JSON can hold; raises `ValueError`."""
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"{text:.40} is no number of a report")
    return number


def _without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object whose keys are there once; raises `ValueError`."""
    found = dict(pairs)
    if len(found) < len(pairs):
        repeated = next(key for key, times in Counter(key for key, _ in pairs).items() if times > 1)
        raise ValueError(f"the key {repeated!r:.60} is there twice in an object")
    return found


def _record(path: Path, where: str, document: Any) -> StepRecord:
    if not isinstance(document, dict) or "harness" not in document:
        raise WrongUse(
            f"{path}:{where}is no report of a step, or of an older harness", _WRITE_AGAIN
        )
    if document["harness"] != (installed := version("step-harness")):
        raise WrongUse(
            f"{path}: was written by harness {document['harness']}; this is {installed}",
            "run all shards, and merge them, with the same version",
        )
    try:
        return StepRecord.model_validate(document)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(map(str, first["loc"]))
        raise WrongUse(f"{path}:{where}{key}: {describe_error(first)}", _WRITE_AGAIN) from None


def _check_complete(report: ReportFile) -> None:
    """Raise `WrongUse` unless the run was completed and the report has each of its cases once."""
    path, names = report.path, [step.step for step in report.steps]
    for step in report.steps:
        if step.totals.run < step.totals.planned:
            raise WrongUse(
                f"{path}: the run stopped after {step.totals.run} of {step.totals.planned} cases "
                f"of {step.step}",
                "run it again without --max-fail",
            )
        if list(step.steps) != names:
            raise WrongUse(
                f"{path}: holds {', '.join(names)} of a run of {', '.join(step.steps)}: it is "
                "cut short, or the run stopped",
                "run it again without --max-fail",
            )
    if len({step.shard.shard if step.shard else None for step in report.steps}) > 1:
        raise WrongUse(f"{path}: its steps are of several shards", _WRITE_AGAIN)
    for step in report.steps:
        _check_cases(path, step)


def _check_cases(path: Path, step: StepRecord) -> None:
    """Raise `WrongUse` unless the cases are those of the shard and agree with the totals."""
    found = Counter([*(one.id for one in step.cases), *step.unproven])
    wrong = [("there twice", [one for one, times in found.items() if times > 1])]
    if step.shard is not None:
        shard = step.shard.shard
        expected = {one: None for one in step.shard.ids if shard.contains(one)}
        wrong += [
            ("missing", [one for one in expected if one not in found]),
            (f"not of shard {shard}", [one for one in found if one not in expected]),
        ]
    run = {one.id for one in step.cases if not one.follows} | {*step.unproven}
    # A verdict of an earlier run may follow from a case of that run.
    follow = [one for one in step.cases if one.follows and not one.cached]
    wrong += [("following from no case of the run", [o.id for o in follow if o.follows not in run])]
    for what, ids in wrong:
        if ids:
            raise WrongUse(f"{path}: {step.step}: {what}: {_first_few(ids)}", _WRITE_AGAIN)
    counted = StepRecord.from_summary(step.summary)
    if counted.totals != step.totals:
        raise WrongUse(
            f"{path}: {step.step}: its totals are {_counts(step.totals)}, and its cases come to "
            f"{_counts(counted.totals)}",
            _WRITE_AGAIN,
        )
    if contradicting := [one.id for one in step.cases if not one.is_consistent]:
        raise WrongUse(
            f"{path}: {step.step}: contradicts itself about {_first_few(contradicting)}",
            _WRITE_AGAIN,
        )


def _counts(totals: Totals) -> str:
    return ", ".join(f"{number} {what}" for what, number in totals)


def _first_few(ids: Sequence[str]) -> str:
    return ", ".join(ids[:3]) + (f" and {len(ids) - 3} more" if len(ids) > 3 else "")


def _in_shard_order(reports: Sequence[ReportFile]) -> list[ReportFile]:
    """The reports in the order of their shards; raises `WrongUse` unless each shard has one."""
    by_number: dict[int, ReportFile] = {}
    of = 0
    for report in reports:
        if report.shard is None:
            raise WrongUse(
                f"{report.path}: is the report of a whole run, not of a shard", "merge it alone"
            )
        number, of = report.shard.number, of or report.shard.of
        if report.shard.of != of:
            raise WrongUse(
                f"{report.path}: is one of {report.shard.of} shards, {reports[0].path} one of {of}",
                _MERGE_ONE_RUN,
            )
        if number in by_number:
            raise WrongUse(
                f"shard {number}/{of} is there twice: {by_number[number].path} and {report.path}",
                "name each shard's report once",
            )
        by_number[number] = report
    if missing := [f"{number}/{of}" for number in range(1, of + 1) if number not in by_number]:
        raise WrongUse(
            f"missing: shard {_first_few(missing)}",
            f"run harness check --shard {missing[0]} --json FILE, and name its report too",
        )
    return [by_number[number] for number in sorted(by_number)]


# What must be the same in all shards of a run: its name in error messages, and its value.
_SAME_IN_ALL_SHARDS: Sequence[tuple[str, Callable[[StepRecord], object]]] = (
    ("the step", lambda step: step.step),
    ("the runner", lambda step: step.runner),
    ("the image", lambda step: step.image),
    ("the selection", lambda step: step.selection.as_options),
    ("the level", lambda step: step.level),
    ("the digest of the step's files", lambda step: step.digest),
    ("the cases to be dealt out", lambda step: step.shard and step.shard.ids),
    ("the number of cases in the matrix", lambda step: step.matrix),
    ("what is waived", lambda step: dict(step.waivers)),
)


def _check_same_run(first: ReportFile, other: ReportFile) -> None:
    """Raise `WrongUse` unless both are reports of the same run."""
    first_steps, other_steps = first.steps[0].steps, other.steps[0].steps
    if first_steps != other_steps:
        names = ", ".join(first_steps), ", ".join(other_steps)
        raise _mismatch(first, other, "the steps", *names)
    for first_step, other_step in zip(first.steps, other.steps, strict=True):
        for what, value in _SAME_IN_ALL_SHARDS:
            values = value(first_step), value(other_step)
            if values[0] != values[1]:
                raise _mismatch(first, other, f"{first_step.step}: {what}", *values)


def _mismatch(
    first: ReportFile, other: ReportFile, what: str, first_value: object, other_value: object
) -> WrongUse:
    return WrongUse(
        f"{first.path} and {other.path} are not of one run: "
        f"{what}: {first_value} and {other_value}",
        _MERGE_ONE_RUN,
    )


def _join_step(steps: Sequence[StepRecord]) -> StepRecord:
    """The record of a step in the report of the whole run, from those in the shards' reports."""
    first = steps[0]
    if first.shard is None:
        return first
    cases: dict[str, CaseRecord] = {case.id: case for step in steps for case in step.cases}
    unproven = {one: why for step in steps for one, why in step.unproven.items()}
    totals = Totals(
        **{what: sum(getattr(step.totals, what) for step in steps) for what in Totals.model_fields}
    )
    return first.model_copy(
        update={
            "shard": None,
            "seconds": sum(step.seconds for step in steps),
            "totals": totals,
            "cases": tuple(cases[one] for one in first.shard.ids if one in cases),
            "unproven": {one: unproven[one] for one in first.shard.ids if one in unproven},
        }
    )
