"""The values of a run: case, outcome, finding, result."""

from __future__ import annotations

import posixpath
import re
import signal
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import PurePosixPath
from typing import Literal

from harness.cases.fault import Fault, Operation
from harness.cases.observed import Observations
from harness.contracts.contract import MAIN_FILE
from harness.files import validated
from harness.files.programs import interpreter_of, is_other_program
from harness.files.validated import Texts, Tuple
from harness.worlds.tree import Tree

# A case with an error fails; warnings are only shown.
Severity = Literal["error", "warning"]

# In seconds; a case that takes longer counts as hanging.
DEFAULT_TIMEOUT = 20.0


@validated.dataclass(frozen=True)
class Call:
    """A call of one of the script's functions instead of a run of the script.

    `arguments` are passed by name, and those named "0", "1" and so on by position. Their values
    are JSON values, or `PurePosixPath`s, which the function gets as `Path`s.
    """

    function: str
    arguments: Mapping[str, object] = field(default_factory=dict)


@validated.dataclass(frozen=True)
class Mount:
    """A folder that is a separate file system of `size` bytes.

    None is no limit. With 0 it is full: files can be created, but not written to.
    """

    path: str
    size: int | None = None


@validated.dataclass(frozen=True)
class Interrupt:
    """A signal sent to the script during its run.

    `at` is the moment as a share of the script's work, from 0, when it first creates something, to
    1, when it last does; or of its time, where it writes all at once. A previous run on the same
    tree measures it.

    `unhandled` is what the signal means to a script that does not handle it. It `ends` other
    processes. To the first process of a container it means nothing at first (`ignored`), and in the
    end, when the grace period is over, SIGKILL (`kills`).
    """

    signal: signal.Signals
    at: float
    unhandled: Literal["ends", "ignored", "kills"] = "ends"


@validated.dataclass(frozen=True)
class Case:
    """A tree, and how the script is started in it.

    `script` is the entry point's path in the tree, `cwd` the working directory. `relative` starts
    it as `python NAME`, with its name as seen from there. With a `module`, whose file the script
    is, it is started as `python -m MODULE`. A script whose first line names another program than
    Python is started by its path. `user` is its user and group id. The folders `read_only` are
    read-only file systems (EROFS, for root too), except for the folders `writable` in them. With
    `reversed_listing`, folders list their entries in the opposite order; no order is promised
    otherwise either. `timeout` is in seconds.
    """

    id: str = ""
    choices: Mapping[str, str] = field(default_factory=dict)
    tree: Tree = field(default_factory=Tree)
    script: str = ""
    cwd: str = "/opt/ml/code"
    relative: bool = False
    module: str = ""
    arguments: Texts = ()
    variables: Mapping[str, str] = field(default_factory=dict)
    call: Call | None = None
    mounts: Tuple[Mount] = ()
    user: int = 0
    umask: int = 0o022
    read_only: Texts = ()
    writable: Texts = ()
    interrupt: Interrupt | None = None
    fault: Fault | None = None
    reversed_listing: bool = False
    timeout: float = DEFAULT_TIMEOUT

    @property
    def environment(self) -> Mapping[str, str]:
        """All environment variables of the script: every container's, the job's, the case's."""
        return {**BASE_ENVIRONMENT, **self.tree.environment, **self.variables}

    def variables_like(self, name: re.Pattern[str]) -> Mapping[str, str]:
        """Those of the environment variables in whose names the pattern occurs."""
        return {one: value for one, value in self.environment.items() if name.search(one)}

    @property
    def is_other_program(self) -> bool:
        """Whether the script is not in Python, so that its own first line says what runs it."""
        entry = self.tree.get(self.script)
        return entry is not None and is_other_program(entry.data)

    @property
    def interpreter(self) -> tuple[str, ...]:
        """What runs a script that is not in Python, and its argument; empty for one in Python."""
        entry = self.tree.get(self.script)
        return interpreter_of(entry.data) if entry is not None and self.is_other_program else ()

    @property
    def started_as(self) -> str:
        """The path by which the script is started: `sys.argv[0]`."""
        return posixpath.relpath(self.script, self.cwd) if self.relative else self.script

    @property
    def script_folder(self) -> str:
        """The folder of the entry point."""
        return posixpath.dirname(self.script)

    @property
    def import_folder(self) -> str:
        """The folder that the script's modules are imported from: its own, or its package's."""
        folder = PurePosixPath(self.script).parent
        packages = self.module.split(".") if self.module else []
        if not self.script.endswith(f"/{MAIN_FILE}"):
            packages = packages[:-1]
        return str(folder.parents[len(packages) - 1] if packages else folder)

    def with_tree(self, tree: Tree) -> Case:
        """The same case with another tree."""
        return replace(self, tree=tree)


# The variables of every SageMaker container. The secrets are fake, for the promise `no-secrets`.
BASE_ENVIRONMENT: Mapping[str, str] = {
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI": "/v2/credentials/planted-0b1f6a52-41c9",
    "AWS_SECRET_ACCESS_KEY": "planted/wJalrXUtnFEMI/K7MDENG",
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "HOME": "/root",
    "LANG": "C.UTF-8",
}


@dataclass(frozen=True)
class Outcome:
    """What a run did.

    `exit_code` is 128 + N after signal N, as in a shell, and None after the case's timeout.
    `after` is None when the tree could not be read. `returned` is the result of the function, for
    a case with a call; `harness.runners.inside.driver` defines its form. `unproven` says why the
    case could not be made as it is (a right that is missing, a signal that was not delivered); then
    the rest is not judged. One that need not be proven fails nothing then: its moment was missed,
    as on a busy machine, or it is beyond this runner. `observed` is what the run looked at, None
    when that is not known. An outcome that `follows` from the case of this id was not run itself.
    `operations` are those that were counted, for a case whose fault has no effect.
    """

    exit_code: int | None
    stdout: str
    stderr: str
    seconds: float
    before: Tree
    after: Tree | None
    returned: Mapping[str, object] | None = None
    unproven: str = ""
    must_be_proven: bool = True
    observed: Observations | None = None
    follows: str = ""
    operations: tuple[Operation, ...] = ()


@dataclass(frozen=True)
class Finding:
    """A broken promise in a case.

    `cause` is what else has the same origin: `EXCEPTION at FILE:LINE` of the script, or what was
    done to a path. Findings with the same cause are one defect; without one, those with the same
    promise and key. A `minor` warning is counted, and not told, at the level practical.
    """

    promise: str
    key: str
    case: str
    where: str
    expected: str
    got: str
    severity: Severity = "error"
    cause: str = ""
    minor: bool = False


@dataclass(frozen=True)
class Result:
    """The verdict on a case: its findings, the last lines of standard error, and its world.

    `unproven` says why it could not be decided; it makes the run fail only where a breach would
    have been an error (`unproven_severity`). A `cached` result is that of an earlier run. One that
    `follows` from the case of this id is judged by what that one's run did. `world` is a listing of
    the world before and after, in the results that show a defect.
    """

    case: str
    findings: tuple[Finding, ...]
    exit_code: int | None
    seconds: float
    stderr_tail: str
    cached: bool = False
    unproven: str = ""
    unproven_severity: Severity = "error"
    follows: str = ""
    world: tuple[str, ...] = ()

    def of(self, case_id: str) -> Result:
        """The same verdict on another case."""
        findings = tuple(replace(one, case=case_id) for one in self.findings)
        # It is asked for very often, and `replace` takes ten times as long.
        made: Result = object.__new__(Result)
        vars(made).update(vars(self), case=case_id, findings=findings)
        return made

    @property
    def failed(self) -> bool:
        """Whether a finding is an error."""
        return any(finding.severity == "error" for finding in self.findings)

    @property
    def passed(self) -> bool:
        """Whether it was decided, and no finding is an error."""
        return not self.failed and not self.unproven
