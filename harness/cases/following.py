"""Which cases follow from a case that was run.

A script that is given the same answers does the same. So the outcome of one case is that of every
other case in which all that its run looked at is the same, with the tree of that case around it.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Generic, TypeVar

from harness.cases.case import Case, Outcome
from harness.cases.observed import Query
from harness.worlds.tree import Entry, Tree, is_under, parents

Q = TypeVar("Q")
T = TypeVar("T")
# The variables that the interpreter and the C library read beneath the script.
BENEATH = re.compile(r"PYTHON|LC_|LANG|TZ|LD_|MALLOC_|LOCPATH|NLSPATH|GCONV_PATH|OMP_|MKL_|BLAS_")


class World:
    """The answers that a case gives."""

    def __init__(self, case: Case) -> None:
        """Answer for this case."""
        self._case = case
        self._entries = case.tree.entries
        self._environment: dict[str, str] | None = None

    def answer(self, query: Query) -> Hashable:
        """What the script would see."""
        kind, name = query
        if kind == "stat":
            return _shown(self._entries.get(name))
        if kind == "lookup":
            return self._found(name)
        if kind == "read":
            entry = self._entries.get(name)
            return None if entry is None else entry.data
        if kind == "list":
            return tuple(sorted(one for one in self._entries if posixpath.dirname(one) == name))
        if kind == "tree":
            entries = sorted(self._entries.items())
            return tuple(one for one in entries if is_under(one[0], name))
        if self._environment is None:
            self._environment = dict(self._case.environment)
        if kind == "variable":
            return self._environment.get(name)
        return tuple(sorted(self._environment.items()))

    def _found(self, path: str) -> Hashable:
        """What a lookup of a path comes to: what is there, nothing, or what stops it on the way."""
        rights: list[Hashable] = []
        for folder in parents(path):
            entry = self._entries.get(folder)
            if entry is None:
                return None, *rights
            if entry.kind != "directory":
                return folder, _shown(entry)
            # The user root may pass through every folder.
            if self._case.user:
                rights.append((entry.mode, entry.uid, entry.gid))
        return _shown(self._entries.get(path)), *rights


def _shown(entry: Entry | None) -> Hashable:
    if entry is None:
        return None
    size = 0 if entry.kind == "directory" else len(entry.data)
    return entry.kind, entry.mode, entry.uid, entry.gid, entry.mtime, size, entry.target


def start_of(case: Case) -> Hashable:
    """All that a run sees before it looks at anything, and how it is made; None for special ones.

    A case under circumstances, one that is interrupted, and a call answer for themselves alone.
    """
    is_plain = case.call is None and case.interrupt is None and "circumstance" not in case.choices
    if not is_plain or case.mounts or case.read_only or case.writable or case.reversed_listing:
        return None
    folders = {path for path, entry in case.tree.entries.items() if entry.kind == "symlink"}
    if folders and any(posixpath.dirname(path) in folders for path in case.tree.entries):
        # The paths of the tree are not those that the script meets.
        return None
    job = case.tree.job
    variables = case.environment
    beneath = tuple((name, variables[name]) for name in sorted(variables) if BENEATH.match(name))
    entry = case.tree.entries.get(case.script)
    return (
        *(case.script, entry, case.cwd, case.relative, case.module, case.arguments, case.user),
        *(case.umask, case.timeout, beneath, None if job is None else job.name),
    )


def by_lists_of(queries: Iterable[Query], tree: Tree) -> tuple[Query, ...]:
    """Questions whose answers tell those of others, and that name no path at which nothing is.

    That there is nothing is told by a list of the folder. So files that chance has named, as
    temporary ones, are not asked for by their names.
    """
    found: dict[Query, None] = {}
    for kind, path in queries:
        if kind in ("variable", "environment") or path == "/":
            found[kind, path] = None
            continue
        # Who is not the user root is told of the rights of the folders above, too.
        above = [one for one in parents(path) if one in tree.entries]
        found.update((("stat", one), None) for one in above)
        found["list", above[-1] if above else "/"] = None
        if path in tree.entries:
            found[kind, path] = None
    return tuple(found)


@dataclass
class _Node(Generic[Q, T]):
    """A question, and what follows from each answer; without a question, the end."""

    query: Q | None = None
    following: dict[Hashable, _Node[Q, T]] = field(default_factory=dict)
    value: T | None = None


class Contradiction(Exception):
    """Two runs that were given the same answers did not ask the same next."""


class Decisions(Generic[Q, T]):
    """The decision tree of a program: what it asks next, given the answers so far."""

    def __init__(self) -> None:
        """Nothing is known."""
        self._starts: dict[Hashable, _Node[Q, T]] = {}

    def find(self, start: Hashable, answer: Callable[[Q], Hashable]) -> T | None:
        """The value of the run that was given these answers; None when there was none."""
        node = self._starts.get(start)
        while node is not None and node.query is not None:
            node = node.following.get(answer(node.query))
        return None if node is None else node.value

    def add(
        self,
        start: Hashable,
        queries: Iterable[Q],
        answer: Callable[[Q], Hashable],
        value: T,
    ) -> None:
        """Add a run that has asked this; raises `Contradiction`."""
        node = self._starts.get(start)
        if node is None:
            node = self._starts[start] = _Node()
        for query in queries:
            if node.value is not None or node.query not in (None, query):
                raise Contradiction
            node.query = query
            node = node.following.setdefault(answer(query), _Node())
        if node.query is not None:
            raise Contradiction
        if node.value is None:
            node.value = value


@dataclass(frozen=True)
class Run:
    """A case that was run, and what came of it: enough to tell the outcome of others."""

    case: Case
    outcome: Outcome

    def outcome_of(self, other: Case) -> Outcome:
        """The outcome of a case in which this one's run would have seen the same."""
        after = self.outcome.after
        around: Tree | None = None
        if after is not None:
            entries = {
                path: one for path, one in other.tree.entries.items() if path not in self.removed
            }
            entries.update(self.written)
            around = Tree(entries)
        follows = self.case.id if other.id != self.case.id else ""
        return replace(self.outcome, before=other.tree, after=around, seconds=0.0, follows=follows)

    @cached_property
    def written(self) -> dict[str, Entry]:
        """What the run has added or changed."""
        before, after = self.outcome.before.entries, self.outcome.after
        if after is None:
            return {}
        return {path: one for path, one in after.entries.items() if before.get(path) != one}

    @cached_property
    def removed(self) -> frozenset[str]:
        """The paths at which nothing is any more."""
        before, after = self.outcome.before.entries, self.outcome.after
        return frozenset() if after is None else frozenset(before) - frozenset(after.entries)


# A run, and what it has asked.
Trace = tuple[Run, tuple[Query, ...]]
