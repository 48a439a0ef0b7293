"""Which codes are looked at, and how severe they are: `[tool.harness.lint]` and the contract."""

from __future__ import annotations

import fnmatch
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from harness.contracts.contract import Contract
from harness.lint.codes import CODES, Severity, current
from harness.lint.problem import Problem


@dataclass(frozen=True)
class Choice:
    """Codes, or beginnings of codes, that are looked at or not; "ALL" is every code.

    `level` is that of the project, for contracts that name none.
    """

    select: Sequence[str] = ()
    extend_select: Sequence[str] = ()
    ignore: Sequence[str] = ()
    per_file_ignores: Mapping[str, Sequence[str]] = field(default_factory=dict)
    severity: Mapping[str, Severity] = field(default_factory=dict)
    level: str | None = None

    def takes(self, code: str, contract: Contract, file: Path) -> bool:
        """Whether a code is looked at in a file of a step."""
        if code == "STEP100":
            return True
        if code in contract.waivers or _matches(code, self.ignore):
            return False
        for pattern, codes in self.per_file_ignores.items():
            names = (file.name, file.as_posix())
            if any(fnmatch.fnmatch(name, pattern) for name in names) and _matches(code, codes):
                return False
        if _matches(code, self.extend_select):
            return True
        if self.select:
            return _matches(code, self.select)
        when = CODES[code].when
        if when == "strict":
            return (contract.level or self.level) == "strict"
        return when == "always"

    def rated(self, problem: Problem) -> Problem:
        """The problem with the severity that is set for its code."""
        for beginning, severity in self.severity.items():
            if _matches(problem.code, (beginning,)):
                return replace(problem, severity=severity)
        return problem


def _matches(code: str, beginnings: Sequence[str]) -> bool:
    return any(
        one.upper() == "ALL" or code.startswith(current(one) if one else "ALL")
        for one in beginnings
    )
