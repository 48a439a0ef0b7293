"""A baseline: the defects of a tree that are known, so that only new ones fail.

The file is YAML that people edit: each entry is a defect by its cause, with the date it was first
seen, an owner, a reason, and a date until which it is accepted.
"""

from __future__ import annotations

import datetime
import io
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from pydantic import BaseModel, ConfigDict
from ruamel.yaml import YAML

from harness.cases.case import Result
from harness.errors import WrongUse
from harness.files import yaml_file
from harness.files.writing import WrittenFile
from harness.report import Summary, defects, identity

_HEAD = (
    "# Known defects, by cause: harness check --baseline does not fail for them.\n"
    "# Written by harness baseline, which keeps owner, reason and until.\n"
)


class Entry(BaseModel):
    """A known defect: the step, the identity of the defect, and what people say of it.

    `cause` is the exception and the file that raised it; without one, `promise` and `key` tell the
    defect. After the date `until` it fails again.
    """

    model_config = ConfigDict(defer_build=True, extra="forbid", frozen=True)

    step: str
    promise: str
    key: str
    cause: str = ""
    first_seen: datetime.date
    owner: str = ""
    reason: str = ""
    until: datetime.date | None = None

    @property
    def identity(self) -> tuple[str, ...]:
        """The step, and what `Defect.identity` is of the defect."""
        return self.step, *((self.cause,) if self.cause else (self.promise, self.key))

    @property
    def described(self) -> str:
        """The entry in one line."""
        words = [f"since {self.first_seen}"]
        words += [f"owner {self.owner}"] if self.owner else []
        words += [self.reason] if self.reason else []
        words += [f"until {self.until}"] if self.until else []
        return f"{self.step}: {self.promise}: {self.key} ({', '.join(words)})"


class _File(BaseModel):
    """What the file of a baseline holds."""

    model_config = ConfigDict(defer_build=True, extra="forbid", frozen=True)

    defects: tuple[Entry, ...] = ()


@dataclass(frozen=True)
class Baseline:
    """The entries of a file, as they count on a day."""

    entries: tuple[Entry, ...]
    today: datetime.date

    @property
    def expired(self) -> tuple[Entry, ...]:
        """Those whose date has passed."""
        return tuple(
            one for one in self.entries if one.until is not None and one.until < self.today
        )

    def apply(self, step: str, result: Result) -> Result:
        """The result with known errors as warnings."""
        known = {one.identity for one in self.entries} - {one.identity for one in self.expired}
        findings = tuple(
            replace(one, severity="warning") if (step, *identity(one)) in known else one
            for one in result.findings
        )
        return replace(result, findings=findings)

    def fixed(self, summaries: Sequence[Summary]) -> tuple[Entry, ...]:
        """The entries of steps that were run whole, and whose defect was not found."""
        whole = {
            one.plan.step
            for one in summaries
            if one.complete and len(one.results) == one.plan.total
        }
        found = _identities(summaries)
        return tuple(one for one in self.entries if one.step in whole and one.identity not in found)

    def updated(self, summaries: Sequence[Summary]) -> Baseline:
        """The entries of the errors of a run: those known as they are, and new ones of today.

        Entries of other steps stay.
        """
        steps = {one.plan.step for one in summaries}
        known = {one.identity: one for one in self.entries}
        entries = [one for one in self.entries if one.step not in steps]
        for summary in summaries:
            for defect in defects(summary.results):
                new = Entry(
                    step=summary.plan.step,
                    promise=defect.head.promise,
                    key=defect.head.key,
                    cause=defect.identity[0] if len(defect.identity) == 1 else "",
                    first_seen=self.today,
                )
                if defect.is_error and new.identity not in {one.identity for one in entries}:
                    entries.append(known.get(new.identity, new))
        return replace(self, entries=tuple(entries))


def _identities(summaries: Sequence[Summary]) -> set[tuple[str, ...]]:
    return {
        (summary.plan.step, *identity(finding))
        for summary in summaries
        for result in summary.results
        for finding in result.findings
    }


def read(path: Path, today: datetime.date) -> Baseline:
    """The baseline in a file; raises `WrongUse`, and `WrongContract` with file, line and key."""
    if not path.exists():
        raise WrongUse(
            f"{path}: there is no such baseline",
            "harness baseline writes one of the defects that there are now",
        )
    document = yaml_file.read(path)
    file = yaml_file.validate(_File, path, document)
    return Baseline(file.defects, today)


def write(path: Path, baseline: Baseline) -> None:
    """Write a baseline atomically; raises `WrongUse`."""
    yaml = YAML()
    yaml.width = 10_000
    # People edit the file: each entry has a date of its own.
    yaml.representer.ignore_aliases = lambda _: True
    stream = io.StringIO()
    entries = [one.model_dump(exclude_none=True) for one in baseline.entries]
    yaml.dump({"defects": entries}, stream)
    WrittenFile(str(path), str(path)).write(_HEAD + stream.getvalue())
