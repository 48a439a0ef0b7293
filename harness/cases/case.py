"""The values that travel from the matrix to the reports: case, outcome, finding, result."""

from __future__ import annotations

import signal
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import PurePosixPath
from typing import Literal

from harness.worlds.tree import Tree

# What an error breaks makes a case fail; a warning is only shown.
Severity = Literal["error", "warning"]

# How long a case may take before it counts as hanging, in seconds.
DEFAULT_TIMEOUT = 20.0


@dataclass(frozen=True)
class Call:
    """A call of one of the script's functions instead of a run of the script.

    `arguments` are passed by name, those named "0", "1" and so on by position: JSON values and
    `PurePosixPath`s, which arrive as `Path`s.
    """

    function: str
    arguments: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True)
class Mount:
    """A folder that is a file system of its own, of `size` bytes.

    None: as large as need be; 0: full, so that files can be made in it and nothing written to them.
    """

    path: str
    size: int | None = None


@dataclass(frozen=True)
class Interrupt:
    """A signal that reaches the script in mid-run.

    `at` says when: 0 is the moment the script first creates something, 1 the moment it last renames
    something (or ends). A rehearsal on the same tree finds out where those are.
    """

    signal: signal.Signals
    at: float


@dataclass(frozen=True)
class Case:
    """One world to run the script in: a tree, and how the script is started in it.

    `script` is the entry point's path in the tree, `cwd` the working directory. `relative` starts
    it as `python NAME` from its own folder. The script runs as `user` (its number, and its group's)
    under `umask`. What lies in the folders `read_only` it cannot change, whoever it is (EROFS), but
    for what lies in the folders `writable`.
    """

    id: str = ""
    choices: Mapping[str, str] = field(default_factory=dict)
    tree: Tree = field(default_factory=Tree)
    script: str = ""
    cwd: str = "/opt/ml/code"
    relative: bool = False
    arguments: tuple[str, ...] = ()
    variables: Mapping[str, str] = field(default_factory=dict)
    call: Call | None = None
    mounts: tuple[Mount, ...] = ()
    user: int = 0
    umask: int = 0o022
    read_only: tuple[str, ...] = ()
    writable: tuple[str, ...] = ()
    interrupt: Interrupt | None = None
    timeout: float = DEFAULT_TIMEOUT

    @property
    def environment(self) -> Mapping[str, str]:
        """All variables the script sees: a container's bare ones, the job's, the case's own."""
        return {**BARE_ENVIRONMENT, **self.tree.environment, **self.variables}

    @property
    def script_folder(self) -> str:
        """The folder that the entry point lies in."""
        return str(PurePosixPath(self.script).parent)

    def with_tree(self, tree: Tree) -> Case:
        """The same case in another world."""
        return replace(self, tree=tree)


# What every SageMaker container has; without bytecode files, so that all runners see the same tree.
# The secrets are planted: no script has a reason to tell them.
BARE_ENVIRONMENT: Mapping[str, str] = {
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI": "/v2/credentials/planted-0b1f6a52-41c9",
    "AWS_SECRET_ACCESS_KEY": "planted/wJalrXUtnFEMI/K7MDENG",
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "HOME": "/root",
    "LANG": "C.UTF-8",
    "PYTHONDONTWRITEBYTECODE": "1",
    "PYTHONUNBUFFERED": "1",
}


@dataclass(frozen=True)
class Outcome:
    """What a run did.

    `exit_code` is 128 + N after death by signal N, as a shell reports it, and None when the
    script did not end within the case's timeout. `after` is None when the tree could not be
    recovered. `returned` is what the called function did, for a case with a call:
    `harness.runners.inside.driver`.
    """

    exit_code: int | None
    stdout: str
    stderr: str
    seconds: float
    before: Tree
    after: Tree | None
    returned: Mapping[str, object] | None = None


@dataclass(frozen=True)
class Finding:
    """One broken promise in one case; findings with the same promise and key are one defect."""

    promise: str
    key: str
    case: str
    where: str
    expected: str
    got: str
    severity: Severity = "error"


@dataclass(frozen=True)
class Result:
    """The verdict on one case: its findings, and the end of what the script said.

    One that is `cached` was given in an earlier run, and the case was not run again.
    """

    case: str
    findings: tuple[Finding, ...]
    exit_code: int | None
    seconds: float
    stderr_tail: str
    cached: bool = False

    @property
    def passed(self) -> bool:
        """Whether every promise held whose breach is an error."""
        return all(finding.severity == "warning" for finding in self.findings)
