"""Expectations: what a case must do, stated from the contract and never from running the script."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from harness.worlds.archives import Member


@dataclass(frozen=True)
class Matches:
    """A text that must be said: `pattern` is a regular expression, `meaning` tells it to people.

    `key` groups the cases in which it is missing. Patterns are searched without regard to case.
    """

    key: str
    pattern: str
    meaning: str

    def holds(self, text: str) -> bool:
        """Whether the text says it."""
        return re.search(self.pattern, text, re.IGNORECASE | re.MULTILINE) is not None


@dataclass(frozen=True)
class Archive:
    """A `.tar.gz` that must be written: these members, and `injected` as hyperparameters.json."""

    members: tuple[Member, ...]
    injected: bytes | None = None


@dataclass(frozen=True)
class Content:
    """A plain thing that must be written: a file's bytes, or a link's target, or a folder.

    `mode` and `mtime` are judged when they are given.
    """

    kind: str = "file"
    data: bytes = b""
    target: str = ""
    mode: int | None = None
    mtime: float | None = None


@dataclass(frozen=True)
class Returns:
    """What a called function must return, as the call's driver writes it."""

    value: object


@dataclass(frozen=True)
class Raises:
    """What a called function must raise: an exception of this class whose message matches."""

    exception: str
    message: str = ""


@dataclass(frozen=True)
class Expectation:
    """What a case must do.

    `writes` maps path → what must be there afterwards; every other declared output must be as it
    was before. `error` is searched in the error (standard error from the first traceback on), `log`
    in all that the script says. With `dies`, the script is killed, and only its outputs and inputs
    are judged: nobody can clean up after SIGKILL.

    An expectation that is derived from a contract alone says less: an `exit_code` of None is any
    failure (1 to 127), `holds` are folders that must hold some file afterwards, and without
    `explained` a failure needs neither its traceback nor a last line that says what to do.

    After a fault, outputs that are `whole` may be there: those that the usual case leaves. Where
    the contract leaves a choice, `otherwise` is what the case may do instead.
    """

    exit_code: int | None = 0
    writes: Mapping[str, Archive | Content] = field(default_factory=dict)
    error: tuple[Matches, ...] = ()
    log: tuple[Matches, ...] = ()
    call: Returns | Raises | None = None
    dies: bool = False
    holds: tuple[str, ...] = ()
    explained: bool = True
    whole: bool = False
    otherwise: Expectation | None = None

    def chosen(self, exit_code: int | None) -> Expectation:
        """This, or what it may do instead when that is how the script ended."""
        other = self.otherwise
        takes_other = other is not None and not self.is_end(exit_code) and other.is_end(exit_code)
        return other if other is not None and takes_other else self

    def is_end(self, exit_code: int | None) -> bool:
        """Whether the script ends as it must with this exit code."""
        if self.exit_code is not None or exit_code is None:
            return exit_code == self.exit_code and exit_code is not None
        return 0 < exit_code < 128
