"""Edits of derived suites: an input that is mounted, a variable that is set.

They are data, so that it is known of each what of a case it reaches, and that it reaches nothing
else.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from harness.cases.case import Case


@dataclass(frozen=True)
class Mounted:
    """Mounts an input with these files, as a channel of the job where that has a name.

    `files` maps relative name → bytes.
    """

    folder: str
    files: Mapping[str, bytes]
    channel: str | None = None

    def __call__(self, case: Case) -> Case:
        """The case with it."""
        if self.channel is None:
            return case.with_tree(case.tree.with_files(self.folder, self.files))
        return case.with_tree(case.tree.with_channel(self.channel, self.files, self.folder))


@dataclass(frozen=True)
class Variable:
    """Sets an environment variable of the job."""

    name: str
    text: str

    def __call__(self, case: Case) -> Case:
        """The case with it."""
        environment = {**case.tree.request.environment, self.name: self.text}
        tree = case.tree.with_request(environment=environment)
        return replace(case, tree=tree, variables={**case.variables, self.name: self.text})
