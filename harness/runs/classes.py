"""Classes of cases that have one verdict, since all that was looked at for it is the same in them.

A verdict depends on the case by what its run has asked, by what is expected of it, and by what the
promises look at. All of that is noted as axes of the suite, so that another case with the same
choices of these axes has the same verdict.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from harness.cases.case import Result
from harness.cases.following import Contradiction, Decisions
from harness.cases.matrix import Matrix
from harness.cases.reach import Reach
from harness.cases.watched import Watch


class Classes:
    """The verdicts on classes of a step's cases that this process knows."""

    def __init__(self, matrix: Matrix) -> None:
        """Nothing is known yet."""
        self._matrix = matrix
        # The suite of a user may look at anything.
        self._reach = Reach(matrix.start, matrix.axes) if matrix.is_derived else None
        self._decisions: Decisions[str, Result] = Decisions()

    def choices(self, case_id: str) -> Mapping[str, str] | None:
        """The choices of a case that may be in a class with others; None for one that is alone."""
        if self._reach is None or case_id == self._matrix.usual:
            return None
        return self._matrix.choices_of(case_id)

    def find(self, case_id: str, choices: Mapping[str, str]) -> Result | None:
        """The verdict on a case with these choices; None when no case of its class is known."""
        found = self._decisions.find(None, choices.__getitem__)
        return None if found is None else found.of(case_id)

    def watch(self, choices: Mapping[str, str]) -> Watch:
        """What notes which of the axes are looked at for a verdict."""
        assert self._reach is not None
        return Watch(self._reach, choices)

    def add(self, watch: Watch, result: Result) -> None:
        """Let the verdict on a case, for which this was looked at, be that on its class."""
        # Where its world is shown, it is that of this case, which comes first.
        shared = replace(result, seconds=0.0, follows=result.follows or result.case, world=())
        try:
            self._decisions.add(None, watch.asked, watch.choices.__getitem__, shared)
        except Contradiction:
            # What was looked at depends on more than the choices: it is not shared.
            return
