"""What a case must do, stated from the contract and never from running the script."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import field
from typing import Literal

from harness.files import patterns
from harness.files.validated import AbsolutePath, Pattern, Texts, Tuple, dataclass
from harness.worlds.archives import Member
from harness.worlds.tree import Kind


@dataclass(frozen=True)
class Matches:
    """A text that must occur: `pattern` is a regular expression, `meaning` describes it in reports.

    `key` groups the cases in which it is missing. The search ignores case.
    """

    key: str
    pattern: Pattern
    meaning: str

    def is_in(self, text: str) -> bool:
        """Whether the pattern occurs in a text."""
        return patterns.search(self.pattern, text, re.IGNORECASE | re.MULTILINE) is not None


@dataclass(frozen=True)
class Archive:
    """A `.tar.gz` that must be written: these members, and `injected` as hyperparameters.json."""

    members: Tuple[Member]
    injected: bytes | None = None


@dataclass(frozen=True)
class Content:
    """A file, link or folder that must be written, with these bytes or this target.

    `mode` (permission bits) and `mtime` (seconds since 1970) are judged unless they are None.
    """

    kind: Kind = "file"
    data: bytes = b""
    target: str = ""
    mode: int | None = None
    mtime: float | None = None


@dataclass(frozen=True)
class Returns:
    """What a called function must return, in the form of `harness.runners.inside.driver`."""

    value: object


@dataclass(frozen=True)
class Raises:
    """What a called function must raise: an exception of this class whose message matches."""

    exception: str
    message: Pattern = ""


@dataclass(frozen=True)
class Expectation:
    """What a case must do.

    `writes` maps path → what must be there afterwards; every other declared output must be as it
    was before. `error` is searched in standard error from the first traceback on, `log` in all
    output. With `dies`, the script is killed, and only its outputs and inputs are judged: it cannot
    clean up after SIGKILL.

    A suite that is derived from a contract expects less: an `exit_code` of None is any failure,
    `holds` are folders that must hold some file afterwards, and without `explained` a failure needs
    neither a traceback nor advice in its last line. `lacks` are the kinds of what such a case does
    not have and needs: "input", "variable", "argument". `damaged` is the path of an input that is.
    `varies` is what the case has another value of than the usual case, in nothing else.
    With an `own_value` that is none of the contract's or the samples', but the harness's; where it
    is that of one key of `settings`, those are all of them.
    That nothing changes then counts only if the case `same_in`, the id of one, leaves the same
    outputs as the usual case too, or `other_in` leaves others.
    `same_as` is the id of a case that must leave the same outputs: it passes the default of what
    this case leaves out, or the other way round; `default` says which value of what that is.

    A case is `partial` that has not all files of an input: what its outputs hold is not known.
    `other_host` is set where the case is the usual one, as another host of the same job.

    Whatever is found in a case of the severity `warning` is only shown: what it tries is rare, and
    hurts few.

    With `whole`, complete outputs of the usual case may remain after a fault. `otherwise` is what
    the case may do instead, where the contract leaves a choice.
    """

    exit_code: int | None = 0
    writes: Mapping[AbsolutePath, Archive | Content] = field(default_factory=dict)
    error: Tuple[Matches] = ()
    log: Tuple[Matches] = ()
    call: Returns | Raises | None = None
    dies: bool = False
    holds: Tuple[AbsolutePath] = ()
    explained: bool = True
    whole: bool = False
    lacks: Texts = ()
    damaged: str = ""
    varies: str = ""
    own_value: bool = False
    settings: Texts = ()
    same_in: str = ""
    other_in: str = ""
    same_as: str = ""
    default: str = ""
    other_host: bool = False
    partial: bool = False
    severity: Literal["error", "warning"] = "error"
    otherwise: Expectation | None = None

    def for_exit_code(self, exit_code: int | None) -> Expectation:
        """This expectation, or `otherwise` when only that accepts the exit code."""
        if self.otherwise is None or self.accepts_exit_code(exit_code):
            return self
        alternative = self.otherwise.for_exit_code(exit_code)
        return alternative if alternative.accepts_exit_code(exit_code) else self

    def accepts_exit_code(self, exit_code: int | None) -> bool:
        """Whether this exit code is the expected one."""
        if self.exit_code is not None or exit_code is None:
            return exit_code == self.exit_code and exit_code is not None
        return exit_code > 0
