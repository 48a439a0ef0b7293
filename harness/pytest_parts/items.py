"""A case as a test of pytest: how it runs, and what is shown of a failure."""

from __future__ import annotations

import os
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from _pytest._code.code import (
    ReprEntryNative,
    ReprExceptionInfo,
    ReprFileLocation,
    ReprTraceback,
)

from harness.pytest_parts.runners import CHANGES, CHOICES, STARTED, prepared

if TYPE_CHECKING:
    from harness.cases.case import Result
    from harness.runs.choice import Choice
    from harness.runs.step import StepRef


class _CaseFailed(AssertionError):
    """A case has findings that are errors."""

    def __init__(self, result: Result) -> None:
        super().__init__(f"{len(result.findings)} findings")
        self.result = result


class CaseItem(pytest.Item):
    """One case of a step."""

    def __init__(self, *, ref: StepRef, case_id: str, line: int = 0, **names: Any) -> None:
        """Store the step, the case and its line, and add `axis:choice` keywords for `-k`."""
        super().__init__(**names)
        self.case_id = case_id
        self._ref = ref
        self._line = line
        self.extra_keyword_matches.update(case_id.replace("=", ":").split(","))

    def runtest(self) -> None:
        """Run the case and judge it."""
        from harness.errors import RunnerCannot

        choices = self.config.stash[CHOICES]
        choice = self._started_choice()
        try:
            result = self._prove(choice)
        except RunnerCannot as refusal:
            choices[self._ref] = choice = choice.after(refusal)
            self.config.stash[CHANGES].append(choice.note)
            result = self._prove(choice)
        if result.unproven and not result.failed:
            pytest.skip(f"not proven: {result.unproven}")
        if result.failed:
            raise _CaseFailed(result)
        for finding in result.findings:
            self.warn(pytest.PytestWarning(f"{finding.promise}: {finding.key}: {finding.where}"))

    def _started_choice(self) -> Choice:
        """The choice for this step, which starts warm if that is possible."""
        from harness.runs.warm_start import warm_start

        choices = self.config.stash[CHOICES]
        started = self.config.stash[STARTED]
        if self._ref not in started:
            started.add(self._ref)
            cases = sum(getattr(item, "_ref", None) == self._ref for item in self.session.items)
            choices[self._ref], note = warm_start(choices[self._ref], cases)
            self.config.stash[CHANGES] += [note] if note else []
        return choices[self._ref]

    def _prove(self, choice: Choice) -> Result:
        from harness.runs.step import prove

        return prove(self._ref, prepared(self.config, choice.runner), self.case_id)

    def repr_failure(
        self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None
    ) -> str | Any:
        """The findings, the end of standard error, and a command that replays the case."""
        from harness.errors import HarnessError

        if isinstance(excinfo.value, HarnessError):
            return str(excinfo.value)
        if not isinstance(excinfo.value, _CaseFailed):
            return super().repr_failure(excinfo, style)
        result = excinfo.value.result
        text = self._describe_failure(result)
        # The summary line of pytest shows the message, and editors jump to the place.
        first = next(one for one in result.findings if one.severity == "error")
        message = f"{first.promise}: {first.key}" + f": {first.where}" * bool(first.where)
        return ReprExceptionInfo(
            ReprTraceback([ReprEntryNative([f"{text}\n"])], None, "native"),
            ReprFileLocation(str(self.path), self._line + 1, message),
        )

    def _describe_failure(self, result: Result) -> str:
        lines = [f"case {self.case_id}"]
        for finding in result.findings:
            lines += [
                f"{finding.severity}: {finding.promise}: {finding.key}"
                + (f": {finding.where}" * bool(finding.where)),
                f"  expected {finding.expected}",
                f"  got      {finding.got}",
            ]
        lines += ["standard error:", *(f"  {line}" for line in result.stderr_tail.splitlines())]
        words = ["harness", "replay", os.path.relpath(self._ref.path)]
        words += ["--step", self._ref.step] if self._ref.step else []
        words += [self.case_id]
        runner = self.config.stash[CHOICES][self._ref].runner.name
        words += ["--runner", runner] if runner != "fake" else []
        start = self.config.getoption("--harness-start")
        words += ["--start", start] if start != "auto" else []
        for option in ("image", "isolation", "level", "timeout"):
            if value := self.config.getoption(f"--harness-{option}"):
                words += [f"--{option}", str(value)]
        return "\n".join([*lines, shlex.join(words)])

    def reportinfo(self) -> tuple[Path, int | None, str]:
        """The location and the name that pytest shows."""
        return self.path, self._line, self.name
