"""Compares the defects of two runs: which are new, which are fixed, which are still there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from harness.report import Defect, Summary, defects


@dataclass(frozen=True)
class StepDefect:
    """A defect, and the name of the step that has it."""

    step: str
    defect: Defect

    @property
    def identity(self) -> tuple[str, ...]:
        """The same in both runs."""
        return self.step, *self.defect.identity


@dataclass(frozen=True)
class Comparison:
    """The defects of a newer run that an older one has not, those that are gone, and the rest."""

    new: tuple[StepDefect, ...]
    fixed: tuple[StepDefect, ...]
    remaining: tuple[StepDefect, ...]

    @property
    def has_new_errors(self) -> bool:
        """Whether a defect that makes cases fail is new."""
        return any(one.defect.is_error for one in self.new)


def compare(old: Sequence[Summary], new: Sequence[Summary]) -> Comparison:
    """Compare the defects of two runs by their causes."""
    before, after = _by_identity(old), _by_identity(new)
    return Comparison(
        new=tuple(one for same, one in after.items() if same not in before),
        fixed=tuple(one for same, one in before.items() if same not in after),
        remaining=tuple(one for same, one in after.items() if same in before),
    )


def _by_identity(summaries: Sequence[Summary]) -> dict[tuple[str, ...], StepDefect]:
    found = (
        StepDefect(summary.plan.step, one)
        for summary in summaries
        for one in defects(summary.results)
    )
    by_identity: dict[tuple[str, ...], StepDefect] = {}
    for one in found:
        by_identity.setdefault(one.identity, one)
    return by_identity
