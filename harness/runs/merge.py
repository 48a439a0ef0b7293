"""Merging: the reports of all shards of a run become that of the whole run.

Where they do not, an error says why; a part that is missing is never a pass.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from harness.errors import WrongUse
from harness.files import yaml_file
from harness.report import Summary
from harness.report.json_file import LINES
from harness.report.record import CaseRecord, ShardRecord, StepRecord, Totals

_AGAIN = "write it again with harness check --json"
_ONE_RUN = "merge the reports of one run: the same steps, options, runner and harness in each shard"


@dataclass(frozen=True)
class Part:
    """The report of one shard, or of a whole run: where it was read, and its steps in order."""

    path: Path
    steps: tuple[StepRecord, ...]

    @property
    def shard(self) -> ShardRecord | None:
        """Which shard it is."""
        return self.steps[0].shard


def merged(paths: Sequence[Path]) -> tuple[Summary, ...]:
    """The run that these reports are of, step by step; raises `WrongUse` unless it is whole."""
    parts = [read(path) for path in paths]
    if len(parts) > 1 or parts[0].shard is not None:
        parts = _all_shards(parts)
    for part in parts[1:]:
        _belongs(parts[0], part)
    return tuple(
        _joined(steps).summary for steps in zip(*(part.steps for part in parts), strict=True)
    )


def read(path: Path) -> Part:
    """One report, whose run came to its end; raises `WrongUse`."""
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise WrongUse(f"{path}: cannot be read: {error.strerror}", "name a report") from None
    except UnicodeDecodeError:
        raise WrongUse(f"{path}: is no report: it is not UTF-8", _AGAIN) from None
    documents = list(_from_lines(path, text) if path.suffix == LINES else _from_json(path, text))
    if not documents:
        raise WrongUse(f"{path}: is no report: it is empty", _AGAIN)
    part = Part(path, tuple(_record(path, where, one) for where, one in documents))
    _is_whole(part)
    return part


def _from_lines(path: Path, text: str) -> Iterator[tuple[str, Any]]:
    """Each step of a report in lines, and where its own line is."""
    cases: list[Any] = []
    for number, line in enumerate(text.splitlines(), 1):
        one = _parsed(path, line, number)
        if isinstance(one, dict) and "id" in one:
            cases.append(one)
        elif isinstance(one, dict):
            yield f"{number}: ", {**one, "cases": cases}
            cases = []
        else:
            raise WrongUse(f"{path}:{number}: is no line of a report", _AGAIN)
    if cases:
        raise WrongUse(
            f"{path}: is cut short: after {len(cases)} cases the line about their step is missing",
            _AGAIN,
        )


def _from_json(path: Path, text: str) -> Iterator[tuple[str, Any]]:
    """Each step of a report in one document, and where it stands."""
    document = _parsed(path, text, 1)
    several = document.get("steps") if isinstance(document, dict) else None
    if isinstance(several, list):
        yield from ((f"1: steps.{number}.", one) for number, one in enumerate(several))
    else:
        yield "1: ", document


def _parsed(path: Path, text: str, first: int) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise WrongUse(
            f"{path}:{first + error.lineno - 1}: is not JSON, or cut short: {error.msg}", _AGAIN
        ) from None
    except RecursionError:
        raise WrongUse(f"{path}:{first}: is no report: it is nested too deeply", _AGAIN) from None


def _record(path: Path, where: str, document: Any) -> StepRecord:
    if not isinstance(document, dict) or "harness" not in document:
        raise WrongUse(f"{path}:{where}is no report of a step, or of an older harness", _AGAIN)
    if document["harness"] != (own := version("step-harness")):
        raise WrongUse(
            f"{path}: was written by harness {document['harness']}; this is {own}",
            "run all shards, and merge them, with the same version",
        )
    try:
        return StepRecord.model_validate(document)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(map(str, first["loc"]))
        raise WrongUse(f"{path}:{where}{key}: {yaml_file.sentence(first)}", _AGAIN) from None


def _is_whole(part: Part) -> None:
    """Raise `WrongUse` unless the run came to its end, and each of its cases is there once."""
    path, names = part.path, [step.step for step in part.steps]
    for step in part.steps:
        if step.totals.run < step.totals.planned:
            raise WrongUse(
                f"{path}: the run stopped after {step.totals.run} of {step.totals.planned} cases "
                f"of {step.step}",
                "run it again without --max-fail",
            )
        if list(step.campaign) != names:
            raise WrongUse(
                f"{path}: holds {', '.join(names)} of a run of {', '.join(step.campaign)}: it is "
                "cut short, or the run stopped",
                "run it again without --max-fail",
            )
    if len({step.shard.shard if step.shard else None for step in part.steps}) > 1:
        raise WrongUse(f"{path}: its steps are of several shards", _AGAIN)
    for step in part.steps:
        _holds_its_cases(path, step)


def _holds_its_cases(path: Path, step: StepRecord) -> None:
    held = Counter([*(one.id for one in step.cases), *step.unproven])
    wrong = [("there twice", [one for one, times in held.items() if times > 1])]
    if step.shard is not None:
        shard = step.shard.shard
        own = {one: None for one in step.shard.ids if shard.holds(one)}
        wrong += [
            ("missing", [one for one in own if one not in held]),
            (f"not of shard {shard}", [one for one in held if one not in own]),
        ]
    for what, ids in wrong:
        if ids:
            raise WrongUse(f"{path}: {step.step}: {what}: {_named(ids)}", _AGAIN)
    counted = StepRecord.of(step.summary)
    if counted.totals != step.totals:
        raise WrongUse(
            f"{path}: {step.step}: its totals are {_counts(step.totals)}, and its cases come to "
            f"{_counts(counted.totals)}",
            _AGAIN,
        )


def _counts(totals: Totals) -> str:
    return ", ".join(f"{number} {what}" for what, number in totals)


def _named(ids: Sequence[str]) -> str:
    return ", ".join(ids[:3]) + (f" and {len(ids) - 3} more" if len(ids) > 3 else "")


def _all_shards(parts: Sequence[Part]) -> list[Part]:
    """The reports in the order of their shards; raises `WrongUse` unless all are there once."""
    by_number: dict[int, Part] = {}
    of = 0
    for part in parts:
        if part.shard is None:
            raise WrongUse(
                f"{part.path}: is the report of a whole run, not of a shard", "merge it alone"
            )
        number, of = part.shard.number, of or part.shard.of
        if part.shard.of != of:
            raise WrongUse(
                f"{part.path}: is one of {part.shard.of} shards, {parts[0].path} one of {of}",
                _ONE_RUN,
            )
        if number in by_number:
            raise WrongUse(
                f"shard {number}/{of} is there twice: {by_number[number].path} and {part.path}",
                "name each shard's report once",
            )
        by_number[number] = part
    if missing := [f"{number}/{of}" for number in range(1, of + 1) if number not in by_number]:
        raise WrongUse(
            f"missing: shard {_named(missing)}",
            f"run harness check --shard {missing[0]} --json FILE, and name its report too",
        )
    return [by_number[number] for number in sorted(by_number)]


# What must be the same in all shards of a run: what it is called, and where it stands.
_COMMON: Sequence[tuple[str, Callable[[StepRecord], object]]] = (
    ("the step", lambda step: step.step),
    ("the runner", lambda step: step.runner),
    ("the image", lambda step: step.image),
    ("the selection", lambda step: step.selection.as_options),
    ("the digest of the step's files", lambda step: step.digest),
    ("the cases to be dealt out", lambda step: step.shard and step.shard.ids),
    ("the number of cases in the matrix", lambda step: step.matrix),
    ("what is waived", lambda step: dict(step.waivers)),
)


def _belongs(first: Part, part: Part) -> None:
    """Raise `WrongUse` unless both are of the same run."""
    campaigns = [one.steps[0].campaign for one in (first, part)]
    if campaigns[0] != campaigns[1]:
        raise _different(first, part, "the steps", *(", ".join(one) for one in campaigns))
    for one, other in zip(first.steps, part.steps, strict=True):
        for what, of in _COMMON:
            if of(one) != of(other):
                raise _different(first, part, f"{one.step}: {what}", of(one), of(other))


def _different(first: Part, part: Part, what: str, one: object, other: object) -> WrongUse:
    return WrongUse(
        f"{first.path} and {part.path} are not of one run: {what}: {one} and {other}", _ONE_RUN
    )


def _joined(steps: Sequence[StepRecord]) -> StepRecord:
    """What a report of the whole run would say of a step that is there in parts."""
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
