"""How long a case may take.

An option wins over the contract, the contract over the settings of the project. Without any of them
the default grows with the step: a case that is not at its end by then has ten times as long as the
usual case takes.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from harness.cases.case import DEFAULT_TIMEOUT, Case, Outcome
from harness.contracts.contract import Contract
from harness.files.settings import settings

_FACTOR = 10
# How long the usual case may take itself, in seconds, where nothing says how long.
LONGEST_USUAL = _FACTOR * DEFAULT_TIMEOUT


@dataclass(frozen=True)
class Limit:
    """The seconds that a case may take, None for the default; `always` also where a suite says."""

    seconds: float | None = None
    always: bool = False

    @classmethod
    def of(cls, option: float | None, contract: Contract) -> Limit:
        """That of a step; raises `WrongContract` when the settings cannot be read."""
        if option is not None:
            return cls(option, always=True)
        return cls(contract.timeout or settings(contract.origin.parent).timeout)

    def apply(self, case: Case) -> Case:
        """The case with this timeout, unless its suite has set another."""
        if self.seconds is None or not (self.always or case.timeout == DEFAULT_TIMEOUT):
            return case
        return replace(case, timeout=self.seconds)

    def may_grow(self, case: Case, outcome: Outcome) -> bool:
        """Whether a case took all of the default time, and nothing says that this is enough."""
        is_default = self.seconds is None and case.timeout == DEFAULT_TIMEOUT
        return is_default and outcome.exit_code is None and outcome.seconds >= DEFAULT_TIMEOUT


def grown_timeout(usual: Outcome) -> float:
    """The default timeout after this run of the usual case; 0 when that did not end either."""
    return 0.0 if usual.exit_code is None else max(DEFAULT_TIMEOUT, _FACTOR * usual.seconds)
