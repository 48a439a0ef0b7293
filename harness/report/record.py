"""What a report for programs says of a step: written by `harness check`, read by `harness merge`.

Every key of the report is a field here.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import version
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from harness.cases.case import Finding, Result, Severity
from harness.cases.shard import Shard
from harness.report import Plan, Selection, Summary

# It changes when a key goes or gets another meaning; new keys may come without.
SCHEMA: Literal[1] = 1


class Record(BaseModel):
    """A value of a report, which takes no key that it does not know."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class FindingRecord(Record):
    """A finding of the case that it stands in."""

    promise: str
    key: str
    where: str
    expected: str
    got: str
    severity: Severity


class CaseRecord(Record):
    """The verdict on one case; `cached` says that it was not run again."""

    id: str
    passed: bool
    exit_code: int | None
    seconds: float
    findings: tuple[FindingRecord, ...]
    stderr_tail: str
    cached: bool

    @classmethod
    def of(cls, result: Result) -> CaseRecord:
        """What is written of a result."""
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
        )

    @property
    def result(self) -> Result:
        """The result that it was written of."""
        findings = tuple(Finding(case=self.id, **dict(one)) for one in self.findings)
        return Result(
            self.id, findings, self.exit_code, self.seconds, self.stderr_tail, self.cached
        )


class Totals(Record):
    """How many cases there were to run, were run, and how they ended."""

    planned: int
    run: int
    passed: int
    failed: int
    unproven: int


class ShardRecord(Record):
    """Which shard of how many, and the ids of all cases that were dealt out."""

    number: int = Field(ge=1)
    of: int = Field(ge=1)
    ids: tuple[str, ...]

    @property
    def shard(self) -> Shard:
        """The shard itself."""
        return Shard(self.number, self.of)


class StepRecord(Record):
    """All that a report says of a step.

    `digest` is that of the step's files, `matrix` the number of all its cases, `campaign` names the
    steps of the whole run, and `replay` is a command up to the id of the case that it runs again.
    """

    schema_: Literal[1] = Field(default=SCHEMA, alias="schema")
    step: str
    runner: str
    image: str | None
    seconds: float
    totals: Totals
    unproven: Mapping[str, str]
    waivers: Mapping[str, str]
    harness: str
    digest: str
    matrix: int
    selection: Selection
    shard: ShardRecord | None
    campaign: tuple[str, ...]
    replay: tuple[str, ...]
    cases: tuple[CaseRecord, ...]

    @classmethod
    def of(cls, summary: Summary) -> StepRecord:
        """What is written of a run."""
        plan = summary.plan
        failed = len(summary.failed)
        shard = plan.shard
        return cls(
            step=plan.step,
            runner=plan.runner,
            image=plan.image,
            seconds=round(summary.seconds, 3),
            totals=Totals(
                planned=len(plan.ids),
                run=len(summary.results),
                passed=len(summary.results) - failed,
                failed=failed,
                unproven=len(plan.unproven),
            ),
            unproven=plan.unproven,
            waivers=plan.waivers,
            harness=version("step-harness"),
            digest=plan.digest,
            matrix=plan.total,
            selection=plan.selection,
            shard=None
            if shard is None
            else ShardRecord(number=shard.number, of=shard.of, ids=plan.selected),
            campaign=plan.campaign,
            replay=plan.replay,
            cases=tuple(CaseRecord.of(one) for one in summary.results),
        )

    @property
    def summary(self) -> Summary:
        """The run that it was written of."""
        ids = tuple(one.id for one in self.cases)
        plan = Plan(
            step=self.step,
            runner=self.runner,
            ids=ids,
            total=self.matrix,
            replay=self.replay,
            unproven=self.unproven,
            waivers=self.waivers,
            image=self.image,
            digest=self.digest,
            campaign=self.campaign,
            selection=self.selection,
            shard=self.shard.shard if self.shard else None,
            selected=self.shard.ids if self.shard else (*ids, *self.unproven),
        )
        return Summary(plan, tuple(one.result for one in self.cases), self.seconds)
