"""The schema of a JSON report: written by `harness check`, read by `harness merge`.

Every key of the report is a field here.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import version
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from harness.cases.case import Finding, Result, Severity
from harness.cases.shard import Shard
from harness.contracts.contract import Level
from harness.report import Plan, Selection, Summary

# Incremented when a key is removed or changes its meaning, not when a key is added.
SCHEMA: Literal[1] = 1


# A run takes less than 30 years.
Seconds = Annotated[float, Field(ge=0, le=1e9, allow_inf_nan=False)]


class Record(BaseModel):
    """A value of a report; unknown keys are an error."""

    model_config = ConfigDict(defer_build=True, extra="forbid", frozen=True)


class FindingRecord(Record):
    """A finding of the case whose record holds it."""

    promise: str
    key: str
    where: str
    expected: str
    got: str
    severity: Severity
    cause: str = ""
    minor: bool = False


class CaseRecord(Record):
    """The verdict on one case; `cached` if it is that of an earlier run.

    `world` lists the world before and after, in the cases that show a defect. `unproven` says why
    it was not decided, "" if it was; it fails the run if `unproven_severity` is `error`. `follows`
    is the id of the case whose run it is judged by, "" if it was run itself.
    """

    id: str
    passed: bool
    exit_code: int | None
    seconds: Seconds
    findings: tuple[FindingRecord, ...]
    stderr_tail: str
    cached: bool
    unproven: str = ""
    unproven_severity: Severity = "error"
    follows: str = ""
    world: tuple[str, ...] = ()

    @classmethod
    def from_result(cls, result: Result) -> CaseRecord:
        """The record of a result."""
        return cls(
            id=result.case,
            passed=result.passed,
            exit_code=result.exit_code,
            seconds=round(result.seconds, 4),
            findings=tuple(
                FindingRecord.model_validate(one, from_attributes=True) for one in result.findings
            ),
            stderr_tail=result.stderr_tail,
            cached=result.cached,
            unproven=result.unproven,
            unproven_severity=result.unproven_severity,
            follows=result.follows,
            world=result.world,
        )

    @property
    def is_consistent(self) -> bool:
        """Whether it has passed exactly if its findings say so."""
        return self.passed == self.result.passed

    @property
    def result(self) -> Result:
        """The result that this is the record of."""
        findings = tuple(Finding(case=self.id, **dict(one)) for one in self.findings)
        return Result(
            self.id,
            findings,
            self.exit_code,
            self.seconds,
            self.stderr_tail,
            self.cached,
            self.unproven,
            self.unproven_severity,
            self.follows,
            self.world,
        )


class Totals(Record):
    """Numbers of cases: planned, run, passed, failed, and not proven."""

    planned: int = Field(ge=0)
    run: int = Field(ge=0)
    passed: int = Field(ge=0)
    failed: int = Field(ge=0)
    unproven: int = Field(ge=0)


class ShardRecord(Record):
    """Which shard of how many, and the ids of the cases of all shards."""

    number: int = Field(ge=1)
    of: int = Field(ge=1)
    ids: tuple[str, ...]

    @property
    def shard(self) -> Shard:
        """The shard without the ids."""
        return Shard(self.number, self.of)


class StepRecord(Record):
    """All that a report has about a step.

    `script` is the path of the script where it was run, `entry_point` its name in the job. `digest`
    is that of the step's files, `matrix` the number of all its cases, `steps` (in JSON `campaign`)
    the names of all steps of the run, and `replay` the words of a command that runs a case again,
    without the case's id.
    """

    schema_: Literal[1] = Field(default=SCHEMA, alias="schema")
    step: str
    runner: str
    image: str | None
    script: str = ""
    entry_point: str = ""
    seconds: Seconds
    totals: Totals
    unproven: Mapping[str, str]
    waivers: Mapping[str, str]
    promises: tuple[str, ...] = ()
    harness: str
    digest: str
    matrix: int
    selection: Selection
    shard: ShardRecord | None
    steps: tuple[str, ...] = Field(alias="campaign")
    replay: tuple[str, ...]
    level: Level = "strict"
    cases: tuple[CaseRecord, ...]

    @classmethod
    def from_summary(cls, summary: Summary) -> StepRecord:
        """The record of a step's run."""
        cases = tuple(CaseRecord.from_result(one) for one in summary.results)
        return cls.without_cases(summary).model_copy(update={"cases": cases})

    @classmethod
    def without_cases(cls, summary: Summary) -> StepRecord:
        """The same without the records of the cases, of which there may be many."""
        plan = summary.plan
        shard = plan.shard
        return cls(
            step=plan.step,
            runner=plan.runner,
            image=plan.image,
            script=plan.script,
            entry_point=plan.entry_point,
            seconds=round(summary.seconds, 3),
            totals=Totals(
                planned=len(plan.ids),
                run=len(summary.results),
                passed=summary.number_passed,
                failed=summary.number_failed,
                unproven=len(summary.unproven),
            ),
            unproven=plan.unproven,
            waivers=plan.waivers,
            promises=plan.promises,
            harness=version("step-harness"),
            digest=plan.digest,
            matrix=plan.total,
            selection=plan.selection,
            shard=None
            if shard is None
            else ShardRecord(number=shard.number, of=shard.of, ids=tuple(plan.selected)),
            campaign=plan.steps,
            replay=plan.replay_command,
            level=plan.level,
            cases=(),
        )

    @property
    def summary(self) -> Summary:
        """The summary that this is the record of."""
        ids = tuple(one.id for one in self.cases)
        plan = Plan(
            step=self.step,
            runner=self.runner,
            ids=ids,
            total=self.matrix,
            replay_command=self.replay,
            unproven=self.unproven,
            waivers=self.waivers,
            promises=self.promises,
            level=self.level,
            image=self.image,
            script=self.script,
            entry_point=self.entry_point,
            digest=self.digest,
            steps=self.steps,
            selection=self.selection,
            shard=self.shard.shard if self.shard else None,
            selected=self.shard.ids if self.shard else (*ids, *self.unproven),
        )
        return Summary(plan, tuple(one.result for one in self.cases), self.seconds)
